import type { Address } from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { membersOf, NOBODY } from './accounts';

describe('the oracle set', () => {
  it('keeps holes, which are nobody', () => {
    const oracles = ['a', NOBODY, 'b', 'c', NOBODY] as Address[];
    expect(membersOf({ oracles })).toEqual(['a', 'b', 'c']);
    expect(membersOf(undefined)).toEqual([]);
  });
});
