/** The network in figures, out of its accounts. Pure. */
import type { Burns as History, Offer } from '@/shared/api';
import { className, type Kinds, NOBODY, type Read } from '@/shared/chain';
import type { PastJob } from '@/shared/closed';
import { region } from '@/shared/format';
import { STATES, type StateName, stateName } from '@/shared/jobs';
import { hourOf } from '@/shared/offers';
import { CAP, emitted, GENESIS, vested } from '@/shared/rewards';

type Device = Read<Kinds['device']>;

export const isBusy = (device: Kinds['device']) => device.currentJob !== NOBODY;

export interface ClassRow {
  id: number;
  name: string;
  group: 'community' | 'enterprise';
  devices: number;
  busy: number;
  /** Hired share of the newest observed hour, basis points; null before the first. */
  observedBps: number | null;
  /** IO base units an hour; 0 for none. */
  reference: bigint;
  floor: bigint;
  ceiling: bigint;
  /** What an hour of work brings at the median of what devices ask, base units; null when none is offered. */
  ask: bigint | null;
}

/** What an hour of work at an engine's ask brings, base units: its best engine's. */
export function hourly(offer: Offer): bigint | null {
  const hours = Object.values(offer.engines).map(({ ask, speed }) => hourOf(BigInt(ask), speed));
  return hours.length === 0 ? null : hours.reduce((most, one) => (one > most ? one : most));
}

function median(values: bigint[]): bigint | null {
  const sorted = values.toSorted((a, b) => (a < b ? -1 : 1));
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}

export function byClass(
  classes: readonly Read<Kinds['deviceClass']>[],
  devices: readonly Device[],
  offers: readonly Offer[],
): ClassRow[] {
  return classes
    .map(({ data }): ClassRow => {
      const mine = devices.filter((device) => device.data.class === data.id);
      const asks = offers.filter((offer) => offer.class === data.id).flatMap((offer) => hourly(offer) ?? []);
      return {
        id: data.id,
        name: className(data),
        group: data.group === 1 ? 'enterprise' : 'community',
        devices: mine.length,
        busy: mine.filter((device) => isBusy(device.data)).length,
        observedBps: data.guidanceEpoch > 0n ? data.utilisationBps : null,
        reference: data.referencePrice,
        floor: data.priceFloor,
        ceiling: data.priceCeiling,
        ask: median(asks),
      };
    })
    .sort((a, b) => b.devices - a.devices || a.id - b.id);
}

export function byRegion(devices: readonly Device[]): { region: string; devices: number }[] {
  const counts = new Map<string, number>();
  for (const { data } of devices) {
    const code = region(data.region);
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  return [...counts].map(([region, devices]) => ({ region, devices })).sort((a, b) => b.devices - a.devices);
}

export function byState(jobs: readonly PastJob[]): { state: StateName; count: number }[] {
  return STATES.slice(1).map((state) => ({
    state,
    count: jobs.filter((job) => stateName(job.data.state) === state).length,
  }));
}

/** Jobs created and payments settled (of one mint, base units) in each step of time up to now, oldest first. */
export function history(jobs: readonly PastJob[], mint: string, now: number, step: number, steps: number) {
  const last = Math.floor(now / step);
  const times = Array.from({ length: steps }, (_, i) => (last - steps + 1 + i) * step);
  const created = times.map(() => 0);
  const settled = times.map(() => 0n);
  const at = (time: bigint) => Math.floor(Number(time) / step) - (last - steps + 1);
  for (const { data } of jobs) {
    const begun = at(data.createdAt);
    if (created[begun] !== undefined) created[begun] += 1;
    const ended = at(data.finishedAt);
    if (stateName(data.state) === 'settled' && data.mint === mint && settled[ended] !== undefined) {
      settled[ended] += data.paid + data.fees;
    }
  }
  return { times, created, settled };
}

/** Share of devices at work in each of the steps of `history`, percent, of those that are there now; null before there were any. */
export function utilisation(
  jobs: readonly PastJob[],
  devices: readonly Device[],
  now: number,
  step: number,
  steps: number,
): { times: number[]; percent: (number | null)[] } {
  const last = Math.floor(now / step);
  const times = Array.from({ length: steps }, (_, i) => (last - steps + 1 + i) * step);
  const begin = times[0] ?? 0;
  const busy = times.map(() => 0);
  const there = new Set<string>(devices.map(({ address }) => address));
  for (const { data } of jobs) {
    if (data.acceptedAt === 0n || !there.has(data.device)) continue;
    // A lease's `submittedAt` is when it was counted last.
    const ended = data.kind === 0 && data.submittedAt > 0n ? data.submittedAt : data.finishedAt;
    const [from, to] = [Math.max(begin, Number(data.acceptedAt)), ended > 0n ? Math.min(now, Number(ended)) : now];
    for (let i = Math.floor((from - begin) / step); i < steps && begin + i * step < to; i++) {
      const at = begin + i * step;
      busy[i] = (busy[i] ?? 0) + Math.max(0, Math.min(to, at + step) - Math.max(from, at));
    }
  }
  const percent = times.map((at, i) => {
    const until = Math.min(now, at + step);
    const all = devices.reduce((sum, { data }) => sum + Math.max(0, until - Math.max(at, Number(data.since))), 0);
    return all > 0 ? Math.min(100, (100 * (busy[i] ?? 0)) / all) : null;
  });
  return { times, percent };
}

/** What IO burns for, by the API's names. */
export const BURN_CAUSES = [
  { key: 'fees', label: 'Fees' },
  { key: 'penalties', label: 'Penalties' },
  { key: 'buy_backs', label: 'Buy-backs' },
  { key: 'bonds', label: 'Oracles’ bonds' },
] as const;
type BurnCause = (typeof BURN_CAUSES)[number]['key'];

/** All that a history of burns tells of, base units. */
export function burnSum({ before, steps }: History): Record<BurnCause, bigint> {
  const all = [before, ...steps.map(({ burned }) => burned)];
  const sum = (key: BurnCause) => all.reduce((total, burned) => total + BigInt(burned[key]), 0n);
  return { fees: sum('fees'), penalties: sum('penalties'), buy_backs: sum('buy_backs'), bonds: sum('bonds') };
}

/**
 * What was burned, by its cause, base units. `all`, `swept` and `bought` the chain says; `told` is an oracle's history. Without it the
 * rest is of penalties, as far as this app knows; with it what is left was burned by holders.
 */
export function burnedBy(all: bigint, swept: bigint, bought: bigint, told?: Record<BurnCause, bigint>) {
  const least = (base: bigint) => (base > 0n ? base : 0n);
  const rest = least(all - swept - bought);
  const parts = [
    { key: 'fees', label: 'Fees', base: swept },
    { key: 'penalties', label: 'Penalties', base: told?.penalties ?? rest },
    { key: 'buy-backs', label: 'Buy-backs', base: bought },
  ];
  if (!told) return parts;
  const others = [
    { key: 'bonds', label: 'Oracles’ bonds', base: told.bonds },
    { key: 'holders', label: 'By holders', base: least(rest - told.penalties - told.bonds) },
  ];
  return [...parts, ...others.filter(({ base }) => base > 0n)];
}

/** Burns of each cause since the genesis, added up, whole IO: from `since` to `now` in seconds. Causes of which nothing burned are left out. */
export function burnCurve(told: History, since: number, now: number) {
  const steps = told.steps.filter(({ at }) => at < now);
  const begin = Math.min(since, steps[0]?.at ?? since);
  // What burned in a step is known when it is over; of the present one, now.
  const ends = steps.map(({ at }) => Math.min(now, at + told.step_seconds));
  const times = [begin, ...ends];
  if ((times.at(-1) ?? 0) < now) times.push(now);
  const series = BURN_CAUSES.map(({ key, label }) => {
    let sum = BigInt(told.before[key]);
    const values = [sum];
    for (const { burned } of steps) {
      sum += BigInt(burned[key]);
      values.push(sum);
    }
    if (values.length < times.length) values.push(sum);
    return { label, steps: true, values: values.map((base) => Number(base) / 1e8) };
  }).filter(({ values }) => (values.at(-1) ?? 0) > 0);
  return { times, series };
}

/** The parts that the cap divides into, base units; together they are the cap. */
export interface Supply {
  /** In anybody's hands. */
  circulating: bigint;
  /** Genesis parts: free and not taken yet, and not free yet. */
  unclaimed: bigint;
  locked: bigint;
  /** Emitted and not claimed. */
  rewards: bigint;
  /** Still to come. */
  future: bigint;
  burned: bigint;
}

export function supplyOf(
  emission: Kinds['emission'],
  vestings: readonly Read<Kinds['vesting']>[],
  minted: bigint,
  now: bigint,
): Supply {
  const parts = vestings.map(({ data }) => data);
  const genesis = parts.reduce((sum, part) => sum + part.total, 0n);
  const taken = parts.reduce((sum, part) => sum + part.claimed, 0n);
  const free = parts.reduce((sum, part) => sum + vested(part, now), 0n);
  const rewards = emission.minted - emission.claimed;
  return {
    circulating: minted - (genesis - taken) - rewards,
    unclaimed: free > taken ? free - taken : 0n,
    locked: genesis - (free > taken ? free : taken),
    rewards,
    future: CAP - genesis - emission.minted,
    burned: genesis + emission.minted - minted,
  };
}

/** Supply by the schedule, from the first epoch to the last: for the curve. Seconds and whole IO. */
export function schedule(genesisAt: number, epochSeconds: number, epochs: number, points: number) {
  const at = Array.from({ length: points }, (_, i) => Math.round((i * epochs) / (points - 1)));
  return {
    times: at.map((epoch) => genesisAt + epoch * epochSeconds),
    supply: at.map((epoch) => Number((GENESIS + emitted(epoch)) / 100_000_000n)),
  };
}
