export * from './job-table';
export * from './state';
