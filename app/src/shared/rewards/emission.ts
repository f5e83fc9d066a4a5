/** IO's schedule, exactly as `crates/protocol/src/emission.rs`: closed form, in fixed point wide enough that no rounding shows. */

import { least } from './scores';

export const CAP = 80_000_000_000_000_000n;
export const GENESIS = 50_000_000_000_000_000n;
export const EMISSION = CAP - GENESIS;
export const EPOCHS = 175_319;

/** Parts of the genesis supply, by the index of their vesting account. */
export const ALLOCATIONS = ['seed', 'series-a', 'core', 'ecosystem', 'community'] as const;

/** 1 − q over 10¹⁹, and the fixed point: 256 bits after the point. */
const DECAY_E19 = 138_869_523_959_793n;
const TEN_19 = 10_000_000_000_000_000_000n;
const SHIFT = 256n;
const ONE = 1n << SHIFT;
const Q = ONE - (DECAY_E19 << SHIFT) / TEN_19;

/** Base units emitted in the first `epochs` epochs, rounded down. */
export function emitted(epochs: number): bigint {
  if (epochs <= 0) return 0n;
  if (epochs >= EPOCHS) return EMISSION;
  let [power, square, rest] = [ONE, Q, epochs];
  for (; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = (power * square) >> SHIFT;
    square = (square * square) >> SHIFT;
  }
  // G·r₁/(1 − q) with r₁ = 0.08 / 8,760.
  const whole = ((GENESIS / 100n) * 8n * TEN_19 * (ONE - power)) / (8_760n * DECAY_E19 * ONE);
  return least(whole, EMISSION);
}

export const epochEmission = (epoch: number) => emitted(epoch) - emitted(epoch - 1);

export interface VestingTerms {
  total: bigint;
  startAt: bigint;
  cliffSeconds: number;
  linearSeconds: number;
}

/** What of a part is free at `now`, rounded down. */
export function vested({ total, startAt, cliffSeconds, linearSeconds }: VestingTerms, now: bigint): bigint {
  const since = now - startAt - BigInt(cliffSeconds);
  if (since < 0n) return 0n;
  if (since >= BigInt(linearSeconds)) return total;
  return (total * since) / BigInt(linearSeconds);
}
