export * from './attestation';
export * from './hash';
export * from './signature';
export * from './statements';
