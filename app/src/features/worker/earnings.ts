/** Profit from what was measured. Pure. */
import type { Kinds, Read } from '@/shared/chain';
import { stateName } from '@/shared/jobs';

type Job = Read<Kinds['job']>;

/** What a device did in a span of time. */
export interface Occupancy {
  /** Seconds with a job, of the span. */
  busySeconds: number;
  spanSeconds: number;
  /** Paid by jobs that ended in it, IO base units; jobs in other mints are only counted. */
  earned: bigint;
  otherJobs: number;
  jobs: number;
}

/** From jobs on chain: overlapping ones count once. */
export function occupancyOf(jobs: readonly Job[], device: string, ioMint: string, from: number, to: number): Occupancy {
  const mine = jobs.filter(({ data }) => data.device === device && data.acceptedAt > 0n);
  const spans = mine
    .map(({ data }) => {
      const end = data.submittedAt > 0n ? data.submittedAt : data.finishedAt;
      return [Math.max(from, Number(data.acceptedAt)), Math.min(to, end > 0n ? Number(end) : to)] as const;
    })
    .filter(([begin, end]) => end > begin)
    .sort((a, b) => a[0] - b[0]);
  let [busy, until] = [0, from];
  for (const [begin, end] of spans) {
    if (end <= until) continue;
    busy += end - Math.max(begin, until);
    until = end;
  }
  const ended = mine.filter(
    ({ data }) =>
      stateName(data.state) === 'settled' && Number(data.finishedAt) >= from && Number(data.finishedAt) <= to,
  );
  const inIo = ended.filter(({ data }) => data.mint === ioMint);
  return {
    busySeconds: busy,
    spanSeconds: Math.max(0, to - from),
    earned: inIo.reduce((sum, { data }) => sum + data.paid, 0n),
    otherJobs: ended.length - inIo.length,
    jobs: ended.length,
  };
}

/** Watts that devices report now, on average: those at work, those idle; null where none of them reports. */
export function measuredWatts(beats: readonly { power_w: number | null; job: string | null }[]): {
  busy: number | null;
  idle: number | null;
} {
  const mean = (busy: boolean) => {
    const watts = beats.flatMap(({ power_w, job }) => (power_w !== null && (job !== null) === busy ? [power_w] : []));
    return watts.length > 0 ? watts.reduce((sum, one) => sum + one, 0) / watts.length : null;
  };
  return { busy: mean(true), idle: mean(false) };
}

export interface Costs {
  /** Drawn while at work and while idle, watts. */
  busyWatts: number;
  idleWatts: number;
  /** Of the owner's money for a kWh, and for 1 IO. */
  priceKwh: number;
  priceIo: number;
}

export interface Profit {
  kwh: number;
  cost: number;
  income: number;
  profit: number;
  /** Price of IO at which income covers the electricity; null without income. */
  breakEvenIo: number | null;
}

/** Over the span of the occupancy, in the owner's money. `rewards` in IO base units. */
export function profitOf(occupancy: Occupancy, rewards: bigint, costs: Costs): Profit {
  const idle = Math.max(0, occupancy.spanSeconds - occupancy.busySeconds);
  const kwh = (occupancy.busySeconds * costs.busyWatts + idle * costs.idleWatts) / 3_600_000;
  const io = Number(occupancy.earned + rewards) / 1e8;
  const cost = kwh * costs.priceKwh;
  const income = io * costs.priceIo;
  return { kwh, cost, income, profit: income - cost, breakEvenIo: io > 0 ? cost / io : null };
}
