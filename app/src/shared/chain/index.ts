export * from './accounts';
export * from './errors';
export * from './money';
export * from './patch';
export * from './pda';
export * from './queries';
export * from './rpc';
export * from './send';
