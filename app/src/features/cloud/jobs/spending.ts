import { costOf, isFinal } from '@/shared/jobs';

const DAY = 86_400;
/** Days shown at most, and at least. */
const MOST = 90;
const LEAST = 14;

type Job = Parameters<typeof costOf>[0];

/** What ended jobs have cost, by the UTC day of their end; days without any are zero. */
export function spendingByDay(jobs: readonly Job[]): { day: number; spent: bigint }[] {
  const by = new Map<number, bigint>();
  for (const job of jobs) {
    if (!isFinal(job.state)) continue;
    const day = Math.floor(Number(job.finishedAt) / DAY) * DAY;
    by.set(day, (by.get(day) ?? 0n) + costOf(job));
  }
  if (by.size === 0) return [];
  const last = Math.max(...by.keys());
  const earliest = Math.min(...by.keys(), last - (LEAST - 1) * DAY);
  const first = Math.max(earliest, last - (MOST - 1) * DAY);
  const days = [];
  for (let day = first; day <= last; day += DAY) days.push({ day, spent: by.get(day) ?? 0n });
  return days;
}
