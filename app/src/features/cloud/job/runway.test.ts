import { describe, expect, it } from 'vitest';
import { extensionCost, runway } from './runway';

const lease = {
  maxUnits: 3_600n,
  maxPrice: 1_000_000n,
  maxRunSeconds: 7_200,
  escrow: 3_609_000n,
  runUntil: 10_000n,
  reserveBps: 25,
  paymentBps: 0,
};

describe('a lease', () => {
  it('is extended for the difference of two escrows', () => {
    expect(extensionCost(lease, 3_600n)).toBe(3_609_000n);
    expect(extensionCost(lease, 3_601n), 'longer than it may be').toBeNull();
    expect(extensionCost(lease, 0n)).toBeNull();
  });
  it('warns in time', () => {
    expect(runway(lease, 8_000)).toEqual({ left: 2_000, low: false });
    expect(runway(lease, 9_700)).toEqual({ left: 300, low: true });
    expect(runway({ ...lease, maxUnits: 120n }, 9_969), 'a short one').toEqual({ left: 31, low: false });
    expect(runway({ ...lease, maxUnits: 120n }, 9_971)).toEqual({ left: 29, low: true });
    expect(runway(lease, 20_000).left).toBe(0);
  });
  it('never has more left than was bought, by whatever clock', () => {
    expect(runway(lease, 6_399).left).toBe(3_600);
  });
});
