import { describe, expect, it } from 'vitest';
import type { Quote } from '@/shared/api';
import { IO } from '@/shared/format';
import { DEFAULTS, readLimits } from './limits';
import { priceOf } from './order';
import { runFor } from './spec';

const QUOTE: Quote = {
  engine: 'embed',
  units: 1_000,
  mint: 'io',
  devices: 2,
  ask_min: '100000000',
  ask_median: '200000000',
  total: '100250000',
  reserve_bps: 25,
  payment_bps: 0,
  removed: {},
};
const price = (limit: string, cap: bigint | null = null, quote = QUOTE) => priceOf(1_000n, quote, limit, IO, cap);

describe('what a job costs at most', () => {
  it('is what the median device asks, unless a limit says less', () => {
    expect(price('')).toMatchObject({ maxPrice: 200_000_000n, escrow: 200_500_000n, error: null, least: null });
    expect(price('', 150_000_000n)).toMatchObject({ maxPrice: 150_000_000n, least: null });
    expect(price('', 300_000_000n).maxPrice, 'a limit above it').toBe(200_000_000n);
    expect(price('5').escrow).toBe(500_000_000n);
  });
  it('is no price below what any device asks, without a word', () => {
    expect(price('', 99_999_999n)).toMatchObject({ maxPrice: 99_999_999n, least: 100_000_000n });
    expect(price('', 100_000_000n).least).toBeNull();
    expect(price('1.002', 1n), 'what is typed is meant').toMatchObject({
      error: expect.stringContaining('asks 1.0025'),
    });
    const nobody = { ...QUOTE, devices: 0, ask_min: null, ask_median: null, total: null };
    expect(price('', 5n, nobody), 'nobody is there to be asked').toMatchObject({ maxPrice: 5n, least: null });
    expect(price('', null, nobody).escrow).toBeUndefined();
  });
  it('is not reckoned from an amount that is none', () => {
    for (const bad of ['x', '0', '-1']) {
      expect(price(bad).error, bad).not.toBeNull();
      expect(price(bad).escrow, bad).toBeUndefined();
    }
    expect(
      priceOf(1n, QUOTE, '5', { symbol: 'EPjF…', decimals: null }, null).escrow,
      'an unknown token',
    ).toBeUndefined();
  });
});

describe('limits of a run', () => {
  it('are read when all are good', () => {
    expect(readLimits(DEFAULTS)).toEqual({
      limits: { fuel: 1e11, memory_mib: 256, time_limit_s: 600, max_output: 16_777_216 },
      errors: {},
    });
  });
  it('may be empty while they are typed, and say what they have to be', () => {
    const { limits, errors } = readLimits({ ...DEFAULTS, fuel: '', time_limit_s: '86401', max_output: '0' });
    expect(limits).toBeNull();
    expect(errors).toEqual({
      fuel: 'a whole number from 1 to 1,000,000,000,000,000',
      time_limit_s: 'a whole number from 1 to 86,400',
    });
    for (const bad of ['-1', '1.5', '1e3', '99999999999999999'])
      expect(readLimits({ ...DEFAULTS, memory_mib: bad }).limits, bad).toBeNull();
  });
  it('get the time that they need on the device', () => {
    expect(runFor(600)).toBe(1_800);
    expect(runFor(1_350)).toBe(1_800);
    expect(runFor(1_351)).toBe(1_802);
    expect(runFor(86_400)).toBe(115_200);
  });
});
