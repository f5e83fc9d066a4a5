import type { WalletAccount } from '@wallet-standard/base';
import { describe, expect, it } from 'vitest';
import { accountOn, accountsOn } from './accounts';

const account = (address: string, ...chains: `solana:${string}`[]) => ({ address, chains }) as unknown as WalletAccount;
const ALL = [
  account('a', 'solana:devnet'),
  account('b', 'solana:mainnet', 'solana:devnet'),
  account('c', 'solana:mainnet'),
];

describe('a wallet’s account', () => {
  it('is one that signs for the chain', () => {
    expect(accountsOn(ALL, 'solana:mainnet').map(({ address }) => address)).toEqual(['b', 'c']);
    expect(accountOn(ALL, 'solana:mainnet', null)?.address).toBe('b');
    expect(accountOn(ALL, 'solana:testnet', null)).toBeUndefined();
  });
  it('is any on a chain that has no name', () => {
    expect(accountOn(ALL, 'solana:localnet', null)?.address).toBe('a');
  });
  it('is the one that was chosen before, as long as it may be', () => {
    expect(accountOn(ALL, 'solana:mainnet', 'c')?.address).toBe('c');
    expect(accountOn(ALL, 'solana:mainnet', 'a')?.address, 'of another chain').toBe('b');
    expect(accountOn(ALL, 'solana:mainnet', 'gone')?.address).toBe('b');
  });
});
