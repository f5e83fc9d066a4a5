import { describe, expect, it } from 'vitest';
import type { Kinds, Read } from '@/shared/chain';
import { eventsOf } from './decode';
import { toCsv, toJson } from './export';
import { guess } from './find';
import { placeOf } from './places';
import { burnCurve, burnedBy, burnSum, utilisation } from './totals';

describe('search', () => {
  it('knows ids by their form', () => {
    expect(guess(' 42 ')).toEqual({ kind: 'epoch', epoch: '42' });
    expect(guess('epoch 007')).toEqual({ kind: 'epoch', epoch: '7' });
    expect(guess('CQzNiKpE3b6RsPZWLcNqccAGzE9H4sBpJPLczLyeXtX7').kind).toBe('address');
    expect(guess('5'.repeat(88)).kind).toBe('transaction');
    expect(guess('AB'.repeat(32))).toEqual({ kind: 'hash', hash: 'ab'.repeat(32) });
    for (const text of ['', 'hello', '0OIl'.repeat(10), '12345678', '<script>'])
      expect(guess(text).kind).toBe('nothing');
  });
});

describe('export', () => {
  it('keeps whole numbers exact, and quotes', () => {
    const rows = [{ a: 18_446_744_073_709_551_615n, b: 'x,"y"', c: null }];
    expect(toCsv(rows)).toBe('a,b,c\r\n18446744073709551615,"x,""y""",\r\n');
    expect(JSON.parse(toJson(rows))[0].a).toBe('18446744073709551615');
    expect(toCsv([])).toBe('');
  });
  it('makes no formulas', () => {
    expect(toCsv([{ a: '=1+1', b: -5 }])).toBe("a,b\r\n'=1+1,-5\r\n");
  });
});

describe('events', () => {
  const program = 'Ours1111111111111111111111111111111111111111';
  it('count only while the program itself runs', () => {
    const data = `Program data: ${btoa('12345678rest')}`;
    const logs = [
      'Program Other invoke [1]',
      data,
      `Program ${program} invoke [2]`,
      data,
      `Program ${program} success`,
      data,
      'Program Other success',
    ];
    expect(eventsOf(logs, program)).toHaveLength(1);
    expect(eventsOf(['Program data: !!!', data], program)).toHaveLength(0);
  });
});

describe('places', () => {
  it('lie on the globe', () => {
    expect(placeOf('DE')).toEqual([10, 51]);
    expect(placeOf('')).toBeNull();
  });
});

describe('utilisation', () => {
  const job = (data: Partial<Kinds['job']>) =>
    ({ data: { kind: 0, device: 'd0', acceptedAt: 0n, submittedAt: 0n, finishedAt: 0n, ...data } }) as Read<
      Kinds['job']
    >;
  const device = (since: bigint) => ({ address: `d${since}`, data: { since } }) as Read<Kinds['device']>;
  it('is the time with a job of the time that devices were there', () => {
    // Hours begin at 0, 3,600, 7,200; now is half past the last.
    const jobs = [
      job({ acceptedAt: 1_800n, submittedAt: 5_400n, finishedAt: 9_999n }),
      job({ acceptedAt: 8_100n }),
      job({ acceptedAt: 0n }),
      // Of a device that was retired.
      job({ device: 'gone' as never, acceptedAt: 1_800n, submittedAt: 5_400n }),
      // A lease's time of counting is not its end.
      job({ kind: 1, acceptedAt: 3_600n, submittedAt: 4_000n, finishedAt: 5_400n }),
    ];
    const { times, percent } = utilisation(jobs, [device(0n), device(3_600n)], 9_000, 3_600, 3);
    expect(times).toEqual([0, 3_600, 7_200]);
    expect(percent).toEqual([50, 50, 25]);
  });
  it('is unknown while there were no devices', () => {
    expect(utilisation([], [device(7_200n)], 9_000, 3_600, 3).percent).toEqual([null, null, 0]);
  });
});

describe('burns', () => {
  const nothing = { fees: '0', penalties: '0', buy_backs: '0', bonds: '0' };
  const told = {
    step_seconds: 3_600,
    before: { ...nothing, fees: '100000000' },
    steps: [
      { at: 7_200, burned: { ...nothing, fees: '50000000' } },
      { at: 14_400, burned: { ...nothing, bonds: '300000000' } },
    ],
  };
  const bases = (parts: { key: string; base: bigint }[]) => Object.fromEntries(parts.map((p) => [p.key, p.base]));

  it('divide into their causes', () => {
    expect(bases(burnedBy(100n, 60n, 30n))).toEqual({ fees: 60n, 'buy-backs': 30n, penalties: 10n });
    expect(bases(burnedBy(10n, 60n, 30n)).penalties, 'read a moment apart').toBe(0n);
    const known = { fees: 60n, buy_backs: 30n, penalties: 4n, bonds: 5n };
    expect(bases(burnedBy(100n, 60n, 30n, known)), 'what nobody’s event tells, holders burned').toEqual({
      fees: 60n,
      'buy-backs': 30n,
      penalties: 4n,
      bonds: 5n,
      holders: 1n,
    });
    expect(bases(burnedBy(99n, 60n, 30n, known)).holders).toBeUndefined();
  });
  it('add up over time', () => {
    expect(burnSum(told)).toEqual({ fees: 150_000_000n, penalties: 0n, buy_backs: 0n, bonds: 300_000_000n });
    const curve = burnCurve(told, 3_600, 20_000);
    expect(curve.times).toEqual([3_600, 10_800, 18_000, 20_000]);
    expect(curve.series.map(({ label, values }) => [label, values])).toEqual([
      ['Fees', [1, 1.5, 1.5, 1.5]],
      ['Oracles’ bonds', [0, 0, 3, 3]],
    ]);
    // A step that is not over yet ends now.
    expect(burnCurve(told, 3_600, 15_000).times).toEqual([3_600, 10_800, 15_000]);
    expect(burnCurve({ ...told, before: nothing, steps: [] }, 3_600, 15_000).series).toEqual([]);
  });
});
