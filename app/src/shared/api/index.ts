export * from './auth';
export * from './blobs';
export * from './client';
export * from './lease';
export * from './queries';
export * from './session';
