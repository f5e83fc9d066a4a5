import { describe, expect, it } from 'vitest';
import type { Offer } from '@/shared/api';
import { readFilters, sieve } from './filters';

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
