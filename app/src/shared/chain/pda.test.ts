import { address, getAddressEncoder, getProgramDerivedAddress, getU64Encoder } from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { PROGRAM } from './accounts';
import { jobNonce, pda } from './pda';

const RENTER = address('4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T');
const LAST = 2n ** 64n - 1n;

async function bumps(nonce: bigint): Promise<number[]> {
  const key = getAddressEncoder().encode;
  const found = await Promise.all([
    getProgramDerivedAddress({
      programAddress: PROGRAM,
      seeds: ['job', key(RENTER), getU64Encoder().encode(nonce)],
    }),
    getProgramDerivedAddress({ programAddress: PROGRAM, seeds: ['vault', key(await pda.job(RENTER, nonce))] }),
  ]);
  return found.map(([, bump]) => bump);
}

describe('the nonce of a job', () => {
  it('is the next whose addresses are found at once, from the end on too', async () => {
    for (const from of [0n, 1_000n, LAST]) {
      const nonce = await jobNonce(RENTER, from);
      expect(await bumps(nonce)).toEqual([255, 255]);
      for (let before = from; before !== nonce; before = BigInt.asUintN(64, before + 1n))
        expect(await bumps(before)).not.toEqual([255, 255]);
    }
  });
});
