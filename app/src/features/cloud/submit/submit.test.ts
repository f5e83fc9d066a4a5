import { describe, expect, it } from 'vitest';
import { escrowFor, highestPrice, settlement } from '@/shared/chain';
import { countPassages } from './passages';
import { embedSpec, unitsForFuel, wasmSpec } from './spec';

const bytes = (text: string) => new TextEncoder().encode(text);

describe('passages', () => {
  it('are lines that are not blank', () => {
    expect(countPassages(bytes('\ufeffone\r\n\n \t\u00a0\ntwo'), 'lines')).toBe(2);
    expect(countPassages(bytes('{"id":"a","text":"b"}\n{"text":""}\n'), 'jsonl')).toBe(2);
  });
  it('are refused by their line', () => {
    expect(() => countPassages(bytes('\n \n'), 'lines')).toThrow('no passages');
    expect(() => countPassages(Uint8Array.of(97, 10, 0xff), 'lines')).toThrow('line 2');
    expect(() => countPassages(bytes(`a\n${'b'.repeat(65_537)}`), 'lines')).toThrow('line 2: it has 65537 bytes');
    for (const bad of [
      'x',
      '[]',
      '{"id":"a"}',
      '{"text":1}',
      '{"text":"a","more":1}',
      `{"text":"a","id":"${'ä'.repeat(129)}"}`,
    ]) {
      expect(() => countPassages(bytes(bad), 'jsonl'), bad).toThrow('line 1');
    }
  });
});

describe('specs', () => {
  const blob = { hash: 'ab'.repeat(32), size: 3 };
  it('are canonical', () => {
    expect(wasmSpec(blob, blob, { fuel: 1, memory_mib: 2, time_limit_s: 3, max_output: 4 })).toBe(
      `{"version":1,"input":{"hash":"${blob.hash}","size":3},"engine":{"wasm":{"module":{"hash":"${blob.hash}","size":3},"fuel":1,"memory_mib":2,"time_limit_s":3,"max_output":4}}}`,
    );
    expect(embedSpec(blob, 'lines')).toContain('"format":"lines","pooling":"mean","max_tokens":256}}}');
  });
  it('count fuel upwards', () => {
    expect(unitsForFuel(1)).toBe(1n);
    expect(unitsForFuel(1_000_000)).toBe(1n);
    expect(unitsForFuel(1_000_001)).toBe(2n);
  });
});

describe('money', () => {
  const fees = { reserveBps: 25, paymentBps: 0 };
  it('is reckoned as the program does', () => {
    // 1,200 passages at 0.5 IO per 1,000, reservation 0.25 % a side.
    expect(escrowFor(1_200n, 50_000_000n, fees)).toBe(60_150_000n);
    expect(settlement(60_150_000n, 1_200n, 50_000_000n, { ...fees, providerBps: 25 })).toEqual({
      provider: 59_850_000n,
      treasury: 300_000n,
      payer: 0n,
    });
    expect(escrowFor(0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_ffffn, fees)).toBeNull();
  });
  it('finds the highest price below a limit', () => {
    for (const [units, total] of [
      [1_200n, 200_000_000n],
      [1n, 1n],
      [7n, 1_000n],
    ] as const) {
      const price = highestPrice(units, total, fees);
      expect(escrowFor(units, price + 1n, fees) ?? total + 1n).toBeGreaterThan(total);
      if (price > 0n) expect(escrowFor(units, price, fees)).toBeLessThanOrEqual(total);
    }
  });
});
