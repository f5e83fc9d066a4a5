export * from './beats';
export * from './freshness';
export * from './stream';
export * from './use-live';
