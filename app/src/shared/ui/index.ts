export * from './button';
export * from './checks';
export * from './cx';
export * from './field';
export * from './layout';
export * from './states';
export * from './table';
export * from './values';
