/** What a renter asks of a device, as it stands in the address: a link can be shared. */
import type { Schemas } from '@/shared/api';
import type { Kinds } from '@/shared/chain';
import { region } from '@/shared/format';
import { hourOf } from '@/shared/offers';

/** What devices ask a price for: their engines, and their time. */
export const ENGINES = ['embed', 'wasm', 'lease'] as const;
export type Engine = (typeof ENGINES)[number];

/** Verification classes, in the command line's words (`crates/cli/src/work.rs`). */
export const CLASSES = ['exact', 'tolerant', 'metered'] as const;
export type VerificationClass = (typeof CLASSES)[number];

/** How each one's results are verified. */
export const VERIFICATION: Record<Engine, { name: VerificationClass; number: number; text: string }> = {
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
  /** Work that is verified this way. */
  verification?: VerificationClass;
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

/** Work of a verification class. */
const workOf = (verification: VerificationClass) =>
  ENGINES.find((engine) => VERIFICATION[engine].name === verification) ?? 'embed';

/** The work that filters are about: what they name, or the first that is verified as they ask. */
export const engineOf = ({ engine, verification }: Filters): Engine =>
  engine ?? (verification ? workOf(verification) : 'embed');

/** Whatever an address says, as filters; nonsense is left out, and so is a verification that the work does not have. */
export function readFilters(search: Record<string, unknown>): Filters {
  const engine = ENGINES.find((one) => one === search.engine);
  const verification = CLASSES.find((one) => one === search.verification);
  const filters: Filters = {
    engine,
    verification: engine && VERIFICATION[engine].name !== verification ? undefined : verification,
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

/** What the address of a new job says: filters, and the job that it repeats. */
export interface NewJob extends Filters {
  again?: string;
}

export function readNewJob(search: Record<string, unknown>): NewJob {
  const { again } = search;
  const repeats = typeof again === 'string' && /^[1-9A-HJ-NP-Za-km-z]{32,44}$/.test(again);
  return repeats ? { ...readFilters(search), again } : readFilters(search);
}

/** The filters that a job’s requirement comes from. */
export function filtersOf(
  job: Pick<Kinds['job'], 'verification' | 'class' | 'minMemoryMib' | 'region' | 'minReputationBps'>,
): Filters {
  return readFilters({
    engine: ENGINES.find((engine) => VERIFICATION[engine].number === job.verification),
    class: job.class,
    memory: job.minMemoryMib,
    region: region(job.region),
    reputation: job.minReputationBps / 100,
  });
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
