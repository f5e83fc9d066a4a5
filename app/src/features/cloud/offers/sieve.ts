/** What filters leave of the offers, and what each removes. Pure. */
import type { Offer } from '@/shared/api';
import { type Engine, engineOf, type Filters } from './filters';

type Test = { key: keyof Filters; name: string; passes: (offer: Offer) => boolean };

function tests(filters: Filters): Test[] {
  const engine = engineOf(filters);
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
  /** Where nothing is left and no filter alone is why: those that are so together, the fewest first, and how many devices they remove. */
  together: { keys: (keyof Filters)[]; names: string[]; count: number }[];
}

/** Combinations that are told of at most. */
const MOST_TOGETHER = 3;

/** The sets of filters that offers fail, the smallest that there are. */
function combinations(offers: readonly Offer[], all: readonly Test[]): Sieved['together'] {
  const sets = new Map<string, { tests: Test[]; count: number }>();
  for (const offer of offers) {
    const failed = all.filter((test) => !test.passes(offer));
    const name = failed.map(({ key }) => key).join(' ');
    const known = sets.get(name);
    if (known) known.count += 1;
    else sets.set(name, { tests: failed, count: 1 });
  }
  const fewest = Math.min(...[...sets.values()].map(({ tests }) => tests.length));
  return [...sets.values()]
    .filter(({ tests }) => tests.length === fewest)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_TOGETHER)
    .map(({ tests, count }) => ({ keys: tests.map(({ key }) => key), names: tests.map(({ name }) => name), count }));
}

export function sieve(offers: readonly Offer[], filters: Filters): Sieved {
  const engine = engineOf(filters);
  const all = tests(filters);
  const kept = offers.filter((offer) => all.every((test) => test.passes(offer)));
  const least = (list: readonly Offer[]) =>
    list.map((offer) => askOf(offer, engine)).reduce((a, b) => (b < a ? b : a), NEVER);
  const best = least(kept);
  const removed = all
    .map((test) => {
      const alone = offers.filter(
        (offer) => !test.passes(offer) && all.every((other) => other === test || other.passes(offer)),
      );
      const cheapest = least(alone);
      const cheaper = cheapest < best ? cheapest : null;
      const saves = cheaper !== null && best !== NEVER ? best - cheaper : null;
      return { key: test.key, name: test.name, count: alone.length, cheaper, saves };
    })
    .filter(({ count }) => count > 0);
  const none = kept.length === 0 && removed.length === 0;
  return { kept, removed, together: none ? combinations(offers, all) : [] };
}
