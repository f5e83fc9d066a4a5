/** What a renter asks of a device, as it stands in the address: a link can be shared. */
import type { Offer, Schemas } from '@/shared/api';
import { hourOf } from '@/shared/offers';

/** What devices ask a price for: their engines, and their time. */
export const ENGINES = ['embed', 'wasm', 'lease'] as const;
export type Engine = (typeof ENGINES)[number];

/** How each one's results are verified, in the command line's words (`crates/cli/src/work.rs`). */
export const VERIFICATION: Record<Engine, { name: 'exact' | 'tolerant' | 'metered'; number: number; text: string }> = {
  embed: {
    name: 'tolerant',
    number: 1,
    text: 'oracles that are drawn to audit run an unforeseeable sample again (all of them, on a device without a long record)',
  },
  wasm: {
    name: 'exact',
    number: 0,
    text: 'oracles that are drawn to audit run it again and compare every bit (all of them, on a device without a long record)',
  },
  lease: {
    name: 'metered',
    number: 2,
    text: 'oracles attest that the device was there and served; whether its results are right, nobody checks',
  },
};

/** An hour of a lease at an ask: its unit is a second. */
export const hourOfLease = (ask: bigint) => hourOf(ask, 1);

export interface Filters {
  engine?: Engine;
  class?: number;
  /** Device memory, MiB. */
  memory?: number;
  region?: string;
  /** Base units of IO for 1,000 units, as text. */
  price?: string;
  /** Percent. */
  reputation?: number;
  /** Only those that would take a job now. */
  free?: boolean;
}

const number = (value: unknown, most: number) => {
  const n = Number(value);
  return value !== undefined && value !== '' && Number.isInteger(n) && n >= 0 && n <= most ? n : undefined;
};

/** Whatever an address says, as filters; nonsense is left out. */
export function readFilters(search: Record<string, unknown>): Filters {
  const filters: Filters = {
    engine: ENGINES.find((engine) => engine === search.engine),
    class: number(search.class, 65_534),
    memory: number(search.memory, 0xffff_ffff) || undefined,
    region:
      typeof search.region === 'string' && /^[A-Za-z]{2}$/.test(search.region)
        ? search.region.toUpperCase()
        : undefined,
    price: /^\d{1,20}$/.test(String(search.price ?? '')) ? String(search.price) : undefined,
    reputation: number(search.reputation, 100) || undefined,
    free: search.free === true || search.free === 'true' ? true : undefined,
  };
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined));
}

type Test = { key: keyof Filters; name: string; passes: (offer: Offer) => boolean };

function tests(filters: Filters): Test[] {
  const engine = filters.engine ?? 'embed';
  const all: (Test | false)[] = [
    { key: 'engine', name: 'engine', passes: (offer) => engine in offer.engines },
    filters.class !== undefined && { key: 'class', name: 'class', passes: (offer) => offer.class === filters.class },
    filters.memory !== undefined && {
      key: 'memory',
      name: 'memory',
      passes: (offer) => offer.memory_mib >= (filters.memory ?? 0),
    },
    filters.region !== undefined && {
      key: 'region',
      name: 'region',
      passes: (offer) => offer.region === filters.region,
    },
    filters.price !== undefined && {
      key: 'price',
      name: 'price',
      passes: (offer) => askOf(offer, engine) <= BigInt(filters.price ?? 0),
    },
    filters.reputation !== undefined && {
      key: 'reputation',
      name: 'reputation',
      passes: (offer) => offer.reputation_bps >= (filters.reputation ?? 0) * 100,
    },
    filters.free === true && { key: 'free', name: 'free now', passes: (offer) => offer.available },
  ];
  return all.filter((test) => test !== false);
}

/** An ask that nobody pays: of devices that do not offer the engine. */
const NEVER = 0xffff_ffff_ffff_ffffn;

export function askOf(offer: Offer, engine: Engine): bigint {
  const ask = offer.engines[engine]?.ask;
  return ask === undefined ? NEVER : BigInt(ask);
}

export interface Sieved {
  kept: Offer[];
  /**
   * Of each filter: how many devices it alone removes, the cheapest of them when that is cheaper than all that are left, and how much
   * cheaper that is (null when none is left to compare with).
   */
  removed: { key: keyof Filters; name: string; count: number; cheaper: bigint | null; saves: bigint | null }[];
}

export function sieve(offers: readonly Offer[], filters: Filters): Sieved {
  const engine = filters.engine ?? 'embed';
  const all = tests(filters);
  const kept = offers.filter((offer) => all.every((test) => test.passes(offer)));
  const least = (list: readonly Offer[]) =>
    list.map((offer) => askOf(offer, engine)).reduce((a, b) => (b < a ? b : a), NEVER);
  const best = least(kept);
  const removed = all.map((test) => {
    const alone = offers.filter(
      (offer) => !test.passes(offer) && all.every((other) => other === test || other.passes(offer)),
    );
    const cheapest = least(alone);
    const cheaper = cheapest < best ? cheapest : null;
    const saves = cheaper !== null && best !== NEVER ? best - cheaper : null;
    return { key: test.key, name: test.name, count: alone.length, cheaper, saves };
  });
  return { kept, removed: removed.filter(({ count }) => count > 0) };
}

/** The same as a requirement of the API. */
export function requirementOf(filters: Filters): Schemas['Requirement'] {
  return {
    class: filters.class ?? null,
    min_multiplier_e2: 0,
    min_memory_mib: filters.memory ?? 0,
    region: filters.region ?? null,
    min_reputation_bps: (filters.reputation ?? 0) * 100,
  };
}
