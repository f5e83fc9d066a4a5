import { describe, expect, it } from 'vitest';
import type { Offer } from '@/shared/api';
import { engineOf, filtersOf, readFilters, readNewJob } from './filters';
import { sieve } from './sieve';

const offer = (device: string, ask: string, more: Partial<Offer> = {}) =>
  ({
    device,
    provider: 'p',
    class: 0,
    class_name: 'CPU',
    memory_mib: 1_000,
    tops_e2: 1,
    region: 'DE',
    reputation_bps: 5_000,
    available: true,
    engines: { embed: { ask, speed: 1 } },
    last_heartbeat_ms: 0,
    ...more,
  }) as Offer;

describe('filters', () => {
  it('are read from any address', () => {
    expect(readFilters({ engine: 'wasm', class: '3', memory: 512, region: 'de', price: 100, free: 'true' })).toEqual({
      engine: 'wasm',
      class: 3,
      memory: 512,
      region: 'DE',
      price: '100',
      free: true,
    });
    expect(
      readFilters({
        engine: 'x',
        class: -1,
        memory: 'much',
        region: 'Germany',
        price: '1e9',
        reputation: 101,
        free: 1,
      }),
    ).toEqual({});
  });
  it('ask for a verification on its own', () => {
    expect(engineOf(readFilters({ verification: 'exact' }))).toBe('wasm');
    expect(engineOf(readFilters({ verification: 'metered' }))).toBe('lease');
    expect(engineOf(readFilters({}))).toBe('embed');
    expect(readFilters({ engine: 'wasm', verification: 'exact' })).toEqual({ engine: 'wasm', verification: 'exact' });
    expect(readFilters({ engine: 'embed', verification: 'exact' }), 'which the work does not have').toEqual({
      engine: 'embed',
    });
    expect(readFilters({ verification: 'certain' })).toEqual({});
    expect(sieve([offer('a', '1')], { verification: 'exact' }).kept).toEqual([]);
  });
  it('come from a job, to repeat it', () => {
    const any = { verification: 1, class: 65_535, minMemoryMib: 0, region: 0, minReputationBps: 0 };
    expect(filtersOf(any)).toEqual({ engine: 'embed' });
    expect(
      filtersOf({ verification: 0, class: 3, minMemoryMib: 512, region: 0x4445, minReputationBps: 5_000 }),
    ).toEqual({ engine: 'wasm', class: 3, memory: 512, region: 'DE', reputation: 50 });
    const job = '4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T';
    expect(readNewJob({ again: job, class: 3 })).toEqual({ again: job, class: 3 });
    expect(readNewJob({ again: '../x' })).toEqual({});
  });
  it('say which exclude everything together', () => {
    const offers = [
      offer('a', '10', { memory_mib: 1, region: 'FR' }),
      offer('b', '5', { memory_mib: 1, region: 'FR' }),
      offer('c', '5', { memory_mib: 1, reputation_bps: 0 }),
      offer('d', '5', { memory_mib: 1, region: 'FR', reputation_bps: 0 }),
    ];
    const { kept, removed, together } = sieve(offers, { memory: 500, region: 'DE', reputation: 10 });
    expect([kept, removed]).toEqual([[], []]);
    expect(together).toEqual([
      { keys: ['memory', 'region'], names: ['memory', 'region'], count: 2 },
      { keys: ['memory', 'reputation'], names: ['memory', 'reputation'], count: 1 },
    ]);
    expect(sieve(offers, { region: 'DE' }).together, 'something is left').toEqual([]);
    expect(sieve([], { region: 'DE' }).together, 'there is nothing').toEqual([]);
  });
  it('say what each removes, and what relaxing it saves', () => {
    const offers = [
      offer('a', '10'),
      offer('b', '5', { memory_mib: 100 }),
      offer('c', '20', { region: 'FR' }),
      offer('d', '1', { memory_mib: 1, region: 'FR' }),
    ];
    const { kept, removed } = sieve(offers, { memory: 500, region: 'DE' });
    expect(kept.map(({ device }) => device)).toEqual(['a']);
    expect(removed).toEqual([
      { key: 'memory', name: 'memory', count: 1, cheaper: 5n, saves: 5n },
      { key: 'region', name: 'region', count: 1, cheaper: null, saves: null },
    ]);
    expect(sieve(offers, { engine: 'wasm' }).removed).toEqual([
      { key: 'engine', name: 'engine', count: 4, cheaper: null, saves: null },
    ]);
    expect(sieve(offers, { memory: 5_000 }).removed).toEqual([
      { key: 'memory', name: 'memory', count: 4, cheaper: 1n, saves: null },
    ]);
  });
});
