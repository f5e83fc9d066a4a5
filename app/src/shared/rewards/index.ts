/** Rewards and supply: formats, arithmetic and proofs, as the program and the oracles have them. */
export * from './bytes';
export * from './emission';
export * from './epoch';
export * from './evidence';
export * from './history';
export * from './past';
export * from './reputation';
export * from './scores';
export * from './tree';
