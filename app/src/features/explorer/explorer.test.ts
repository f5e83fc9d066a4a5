import { describe, expect, it } from 'vitest';
import { eventsOf } from './decode';
import { toCsv, toJson } from './export';
import { guess } from './find';
import { placeOf } from './places';

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
