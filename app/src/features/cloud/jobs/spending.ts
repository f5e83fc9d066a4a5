/** What a renter's jobs cost: those on chain, and those that only oracles remember. Pure. */
import type { JobView } from '@/shared/api';
import type { Kinds, Read } from '@/shared/chain';
import { costOf, costOfEnded, isFinal, STATES, type StateName } from '@/shared/jobs';

const DAY = 86_400;
/** Days shown at most, and at least. */
const MOST = 90;
const LEAST = 14;

type Row = Read<Kinds['job']>;

/** A job that has ended. */
export interface Ended {
  mint: string;
  /** Unix seconds. */
  at: number;
  cost: bigint;
}

const isOver = ({ state }: JobView) => isFinal(STATES.indexOf(state as StateName));
export const costOfView = ({ escrow, refunded }: JobView) => costOfEnded(BigInt(escrow), BigInt(refunded ?? 0));

/** Jobs whose account was closed. An address may have another job since: they are told apart by the time of their creation. */
export function closedOf(rows: readonly Row[], views: readonly JobView[]): JobView[] {
  const there = new Set(rows.map(({ address, data }) => `${address} ${data.createdAt}`));
  return views.filter((view) => isOver(view) && !there.has(`${view.job} ${view.created_at}`));
}

export function endedOf(rows: readonly Row[], closed: readonly JobView[]): Ended[] {
  return [
    ...rows
      .filter(({ data }) => isFinal(data.state))
      .map(({ data }) => ({ mint: data.mint, at: Number(data.finishedAt), cost: costOf(data) })),
    ...closed.map((view) => ({ mint: view.mint, at: view.finished_at ?? view.created_at, cost: costOfView(view) })),
  ];
}

/** Sums of amounts, each mint's own; that of `first` comes first, and is there even if it is nothing. */
export function byMint(
  first: string,
  amounts: readonly { mint: string; cost: bigint }[],
): [mint: string, sum: bigint][] {
  const sums = new Map([[first, 0n]]);
  for (const { mint, cost } of amounts) sums.set(mint, (sums.get(mint) ?? 0n) + cost);
  return [...sums];
}

/** What ended jobs have cost, by the UTC day of their end; days without any are zero. */
export function spendingByDay(jobs: readonly Ended[]): { day: number; spent: bigint }[] {
  const by = new Map<number, bigint>();
  for (const { at, cost } of jobs) {
    const day = Math.floor(at / DAY) * DAY;
    by.set(day, (by.get(day) ?? 0n) + cost);
  }
  if (by.size === 0) return [];
  const last = Math.max(...by.keys());
  const earliest = Math.min(...by.keys(), last - (LEAST - 1) * DAY);
  const first = Math.max(earliest, last - (MOST - 1) * DAY);
  const days = [];
  for (let day = first; day <= last; day += DAY) days.push({ day, spent: by.get(day) ?? 0n });
  return days;
}
