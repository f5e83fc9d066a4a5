import type { Address } from '@solana/kit';
import { describe, expect, it } from 'vitest';
import type { JobView } from '@/shared/api';
import type { Kinds, Read } from '@/shared/chain';
import { byMint, closedOf, endedOf, spendingByDay } from './spending';

const DAY = 86_400;
const row = (address: string, more: Partial<Kinds['job']> = {}) =>
  ({
    address,
    slot: 1n,
    data: { mint: 'io', state: 5, createdAt: 10n, finishedAt: BigInt(DAY), escrow: 100n, refunded: 40n, ...more },
  }) as Read<Kinds['job']>;
const view = (job: string, more: Partial<JobView> = {}) =>
  ({
    job,
    mint: 'io',
    state: 'settled',
    created_at: 10,
    finished_at: DAY,
    escrow: '100',
    refunded: '70',
    ...more,
  }) as JobView;

describe('what a renter has spent', () => {
  it('stays when a job is closed', () => {
    const views = [view('a'), view('b')];
    const before = endedOf([row('a', { refunded: 70n }), row('b', { refunded: 70n })], []);
    const closed = closedOf([row('a', { refunded: 70n })], views);
    expect(closed.map(({ job }) => job)).toEqual(['b']);
    expect(byMint('io', endedOf([row('a', { refunded: 70n })], closed))).toEqual(byMint('io', before));
  });
  it('counts a job once, and none that goes on', () => {
    expect(closedOf([row('a')], [view('a')])).toEqual([]);
    expect(closedOf([], [view('a', { state: 'running', refunded: null })]), 'just created').toEqual([]);
    expect(closedOf([row('a', { createdAt: 11n })], [view('a')]), 'another at its address').toHaveLength(1);
    expect(endedOf([row('a', { state: 2 })], [])).toEqual([]);
  });
  it('is summed by token', () => {
    const ended = endedOf(
      [row('a'), row('b', { mint: 'usd' as Address, refunded: 100n })],
      [view('c', { mint: 'usd' })],
    );
    expect(byMint('io', ended)).toEqual([
      ['io', 60n],
      ['usd', 30n],
    ]);
    expect(byMint('io', [])).toEqual([['io', 0n]]);
  });
  it('is never less than nothing, whatever was given to the vault', () => {
    expect(endedOf([row('a', { refunded: 200n })], [])[0]?.cost).toBe(0n);
  });
  it('is shown by the day of the end', () => {
    const days = spendingByDay(endedOf([row('a'), row('b', { finishedAt: BigInt(3 * DAY + 5) })], []));
    expect(days).toHaveLength(14);
    expect(days.slice(-3).map(({ spent }) => spent)).toEqual([60n, 0n, 60n]);
    expect(spendingByDay([])).toEqual([]);
  });
});
