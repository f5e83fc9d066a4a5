import { describe, expect, it } from 'vitest';
import type { Kinds, Read } from '@/shared/chain';
import { eventsOf } from './decode';
import { toCsv, toJson } from './export';
import { guess } from './find';
import { placeOf } from './places';
import { burnedBy, utilisation } from './totals';

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
    ({ data: { kind: 0, acceptedAt: 0n, submittedAt: 0n, finishedAt: 0n, ...data } }) as Read<Kinds['job']>;
  const device = (since: bigint) => ({ data: { since } }) as Read<Kinds['device']>;
  it('is the time with a job of the time that devices were there', () => {
    // Hours begin at 0, 3,600, 7,200; now is half past the last.
    const jobs = [
      job({ acceptedAt: 1_800n, submittedAt: 5_400n, finishedAt: 9_999n }),
      job({ acceptedAt: 8_100n }),
      job({ acceptedAt: 0n }),
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
  it('divide into their causes', () => {
    expect(burnedBy(100n, 60n, 30n)).toEqual({ fees: 60n, buyBacks: 30n, penalties: 10n });
    expect(burnedBy(10n, 60n, 30n).penalties, 'read a moment apart').toBe(0n);
  });
});
