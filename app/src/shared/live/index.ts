export * from './stream';
export * from './use-live';
