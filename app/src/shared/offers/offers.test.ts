import { describe, expect, it } from 'vitest';
import { againstGuide, hourOf } from '.';

describe('prices', () => {
  it('are compared by the hour: ask for 1,000 units × units of an hour', () => {
    // 0.5 IO for 1,000 passages at 100 a second: 360,000 passages an hour.
    expect(hourOf(50_000_000n, 100)).toBe(18_000_000_000n);
    // A lease's unit is a second.
    expect(hourOf(100_000_000n, 1)).toBe(360_000_000n);
    expect(hourOf(1n, Number.NaN)).toBe(0n);
  });
  it('stand above or below the guide, where there is one', () => {
    expect(againstGuide(80n, 100n)).toBe(-20);
    expect(againstGuide(110n, 100n)).toBe(10);
    expect(againstGuide(100n, 0n)).toBeNull();
  });
});
