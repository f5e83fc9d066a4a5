/** Profit from what was measured. Pure. */
import type { PastJob } from '@/shared/closed';
import { stateName } from '@/shared/jobs';

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

/** From jobs: overlapping ones count once. */
export function occupancyOf(
  jobs: readonly PastJob[],
  device: string,
  ioMint: string,
  from: number,
  to: number,
): Occupancy {
  const mine = jobs.filter(({ data }) => data.device === device && data.acceptedAt > 0n);
  const spans = mine
    .map(({ data }) => {
      // A lease's `submittedAt` is when it was counted last.
      const end = data.kind === 0 && data.submittedAt > 0n ? data.submittedAt : data.finishedAt;
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

interface Mean {
  watts: number;
  samples: number;
}

/** What a device's heartbeats said of its power since a page listens: at work, and idle. */
export interface Measured {
  busy: Mean;
  idle: Mean;
  /** Its own clock at the first and the last heartbeat, milliseconds. */
  first: number;
  last: number;
}

const NONE: Mean = { watts: 0, samples: 0 };

/** With one more heartbeat; the same as before with one that counts already, or says nothing. */
export function measured(
  known: Measured | undefined,
  { at_ms, power_w, job }: { at_ms: number; power_w?: number | null; job?: string | null },
): Measured | undefined {
  if (typeof power_w !== 'number' || (known && at_ms <= known.last)) return known;
  const before = known ?? { busy: NONE, idle: NONE, first: at_ms, last: at_ms };
  const key = job ? 'busy' : 'idle';
  const { watts, samples } = before[key];
  return {
    ...before,
    last: at_ms,
    [key]: { watts: (watts * samples + power_w) / (samples + 1), samples: samples + 1 },
  };
}

/** Its watts, as far as they were measured. What was not measured at work is at least what it draws idle. */
export function wattsOf(of: Measured | undefined): { busy: number | null; idle: number | null } {
  const mean = (one: Mean | undefined) => (one && one.samples > 0 ? one.watts : null);
  const [busy, idle] = [mean(of?.busy), mean(of?.idle)];
  return { busy: busy ?? idle, idle: idle ?? busy };
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

/** Over the span of the occupancy, of which it was up for a share, in the owner's money. `rewards` in IO base units. */
export function profitOf(occupancy: Occupancy, up: number, rewards: bigint, costs: Costs): Profit {
  const idle = Math.max(0, occupancy.spanSeconds * up - occupancy.busySeconds);
  const kwh = (occupancy.busySeconds * costs.busyWatts + idle * costs.idleWatts) / 3_600_000;
  const io = Number(occupancy.earned + rewards) / 1e8;
  const cost = kwh * costs.priceKwh;
  const income = io * costs.priceIo;
  return { kwh, cost, income, profit: income - cost, breakEvenIo: io > 0 ? cost / io : null };
}
