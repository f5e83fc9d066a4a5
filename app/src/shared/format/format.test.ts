import { describe, expect, it } from 'vitest';
import {
  ago,
  duration,
  exact,
  fromHex,
  hex,
  IO,
  latency,
  pace,
  packRegion,
  parseAmount,
  percent,
  region,
  short,
  size,
} from '.';

describe('amounts', () => {
  it('are exact', () => {
    expect(exact(123_456_789n, IO)).toBe('1.23456789 IO');
    expect(exact(100_000_000_000_000n, IO)).toBe('1,000,000 IO');
    expect(exact(-5n, IO)).toBe('−0.00000005 IO');
    expect(exact(0xffff_ffff_ffff_ffffn, IO)).toBe('184,467,440,737.09551615 IO');
  });
  it('are shortened downwards', () => {
    expect(short(199_999_999n, IO)).toBe('1.99 IO');
    expect(short(1_299n, IO)).toBe('0.000012 IO');
    expect(short(0n, IO)).toBe('0 IO');
    expect(short(1_234_599_999_999n, IO)).toBe('12,345 IO');
  });
  it('take a comma only where it can but group thousands', () => {
    const io = (text: string) => parseAmount(text, IO);
    expect(io('1,234,567')).toBe(123_456_700_000_000n);
    expect(io('1,234.5')).toBe(123_450_000_000n);
    expect(io('1,234.')).toBe(io('1234'));
    expect(() => io('1,234'), 'a decimal comma pays a thousand times too much').toThrow('write 1234 or 1.234');
    for (const bad of ['0,500', '1234,567', '1.234,5', '1,23,456', '1,234,56', ',5'])
      expect(() => io(bad), bad).toThrow();
  });
  it('come back from text', () => {
    for (const base of [0n, 1n, 99_999_999n, 100_000_000n, 123_456_789_012n, 0xffff_ffff_ffff_ffffn]) {
      expect(parseAmount(exact(base, IO).replace(' IO', ''), IO)).toBe(base);
    }
    for (const bad of ['', '.', '1,5', '1,2345', '12,34,567', '-1', '1e3', '0.123456789', '99999999999999999999']) {
      expect(() => parseAmount(bad, IO), bad).toThrow();
    }
  });
});

describe('text', () => {
  it('reads times', () => {
    expect(duration(0)).toBe('0 s');
    expect(duration(3_661)).toBe('1 h 1 min');
    expect(duration(86_400)).toBe('1 d');
    expect(duration(0.25)).toBe('250 ms');
    expect(ago(90, 100)).toBe('10 s ago');
    expect(ago(160, 100)).toBe('in 1 min');
  });
  it('reads sizes, shares, places and bytes', () => {
    expect(size(1_536)).toBe('1.5 KiB');
    expect(percent(25)).toBe('0.25 %');
    expect([pace(0), pace(1_250), latency(0), latency(23)]).toEqual([
      'none shown',
      '1,250 Mbit/s',
      'not measured',
      '23 ms',
    ]);
    expect(region(packRegion('de'))).toBe('DE');
    expect(() => packRegion('D1')).toThrow();
    expect(hex(fromHex('00ff10'))).toBe('00ff10');
    expect(() => fromHex('0G')).toThrow();
  });
});
