/** Jobs whose accounts were closed: the chain has them no more, an oracle remembers them. */
import type { Address } from '@solana/kit';
import { queryOptions } from '@tanstack/react-query';
import { api, type JobView, take } from '@/shared/api';
import type { Kinds, Read } from '@/shared/chain';
import { STATES } from '@/shared/jobs';

/** Pages of 100 that are read at most, newest first. */
const MOST_PAGES = 20;
/** How often they are read again, milliseconds; seldom where they are many. */
const AGAIN_MS = 60_000;
const AGAIN_MANY_MS = 300_000;
const MANY = 300;
const HOUR = 3_600;

/** What figures over time are made of. */
export interface PastJob {
  address: string;
  data: Pick<
    Kinds['job'],
    'kind' | 'state' | 'mint' | 'device' | 'paid' | 'fees' | 'createdAt' | 'acceptedAt' | 'submittedAt' | 'finishedAt'
  >;
}

export interface Remembered {
  jobs: PastJob[];
  /** None that was created since then is missing, Unix seconds. */
  since: number;
}

/** An oracle's job in the chain's own fields. */
export function jobOf(view: JobView): PastJob {
  const time = (at: number | null | undefined) => BigInt(at ?? 0);
  return {
    address: view.job,
    data: {
      kind: view.kind === 'lease' ? 1 : 0,
      state: Math.max(0, (STATES as readonly string[]).indexOf(view.state)),
      mint: view.mint as Address,
      device: (view.device ?? '') as Address,
      paid: BigInt(view.paid ?? 0),
      fees: BigInt(view.fees ?? 0),
      createdAt: time(view.created_at),
      acceptedAt: time(view.accepted_at),
      submittedAt: time(view.submitted_at),
      finishedAt: time(view.finished_at),
    },
  };
}

/** Both together; the chain has the last word about a job that it has. */
export function withClosed(onChain: readonly Read<Kinds['job']>[], remembered: readonly PastJob[]): PastJob[] {
  const there = new Set<string>(onChain.map(({ address }) => address));
  return [...onChain, ...remembered.filter(({ address }) => !there.has(address))];
}

/** What the oracle that serves this page remembers of jobs since a time, to the hour. */
export function rememberedQuery(since: number) {
  const from = Math.floor(since / HOUR) * HOUR;
  return queryOptions({
    queryKey: ['api', 'remembered', from],
    refetchInterval: ({ state }: { state: { data?: Remembered } }) =>
      (state.data?.jobs.length ?? 0) > MANY ? AGAIN_MANY_MS : AGAIN_MS,
    queryFn: async ({ signal }): Promise<Remembered> => {
      const jobs: PastJob[] = [];
      let after: string | undefined;
      for (let page = 0; page < MOST_PAGES; page++) {
        const answer = await take(api().GET('/v1/jobs', { params: { query: { after } }, signal }));
        jobs.push(...answer.jobs.map(jobOf));
        const oldest = answer.jobs.at(-1)?.created_at ?? 0;
        if (!answer.next || oldest < from) return { jobs, since: from };
        after = answer.next;
      }
      return { jobs, since: Number(jobs.at(-1)?.data.createdAt ?? from) };
    },
  });
}
