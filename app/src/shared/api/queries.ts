/** What the oracles know beyond the chain, as queries. */
import { queryOptions } from '@tanstack/react-query';
import { config } from '@/shared/config';
import {
  type Attestation,
  api,
  type JobView,
  type LeaseCount,
  type Offer,
  type QuoteRequest,
  take,
  takeMaybe,
} from './client';

/** This oracle first, then the others. */
export function bases(): string[] {
  return ['', ...config().peers];
}

/** Pages read of a list at most; each has 100 rows. Of a renter's jobs fewer: each comes with its history. */
const MAX_PAGES = 100;
const MAX_JOB_PAGES = 20;

async function allOffers(path: '/v1/offers' | '/v1/devices', signal: AbortSignal): Promise<Offer[]> {
  const offers: Offer[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const answer = await take(api().GET(path, { params: { query: { after } }, signal }));
    offers.push(...answer.offers);
    if (!answer.next) break;
    after = answer.next;
  }
  return offers;
}

export const offersQuery = () =>
  queryOptions({
    queryKey: ['api', 'offers'],
    queryFn: ({ signal }) => allOffers('/v1/offers', signal),
    refetchInterval: 10_000,
  });

export const deviceOffersQuery = () =>
  queryOptions({
    queryKey: ['api', 'devices'],
    queryFn: ({ signal }) => allOffers('/v1/devices', signal),
    refetchInterval: 15_000,
  });

export const infoQuery = () =>
  queryOptions({
    queryKey: ['api', 'info'],
    queryFn: ({ signal }) => take(api().GET('/v1/info', { signal })),
    refetchInterval: 15_000,
  });

/** What the program burned, by the hour or the day. */
export const burnsQuery = (step: 'hour' | 'day') =>
  queryOptions({
    queryKey: ['api', 'burns', step],
    queryFn: ({ signal }) => take(api().GET('/v1/burns', { params: { query: { step } }, signal })),
    refetchInterval: 60_000,
  });

export const quoteQuery = (request: QuoteRequest | null) =>
  queryOptions({
    queryKey: ['api', 'quote', request],
    enabled: request !== null,
    queryFn: ({ signal }) => take(api().POST('/v1/quote', { body: request as QuoteRequest, signal })),
    refetchInterval: 10_000,
  });

/** What an oracle shows of a job; null when it has seen none. */
export const jobViewQuery = (job: string) =>
  queryOptions({
    queryKey: ['api', 'job', job],
    queryFn: ({ signal }): Promise<JobView | null> =>
      takeMaybe(api().GET('/v1/jobs/{job}', { params: { path: { job } }, signal })),
    refetchInterval: 15_000,
  });

/**
 * What an oracle remembers of a renter's jobs, closed ones too, newest first; `whole` is false where there are more. `version` is any
 * number that changes with them.
 */
export const jobViewsQuery = (renter: string, version: number) =>
  queryOptions({
    queryKey: ['api', 'jobs', renter, version],
    queryFn: async ({ signal }): Promise<{ jobs: JobView[]; whole: boolean }> => {
      const jobs: JobView[] = [];
      let after: string | undefined;
      for (let page = 0; page < MAX_JOB_PAGES; page++) {
        const answer = await take(api().GET('/v1/jobs', { params: { query: { renter, after } }, signal }));
        jobs.push(...answer.jobs);
        if (!answer.next) return { jobs, whole: true };
        after = answer.next;
      }
      return { jobs, whole: false };
    },
    placeholderData: (before, query) => (query?.queryKey[2] === renter ? before : undefined),
    refetchInterval: 60_000,
  });

/**
 * Every oracle's newest signed verdict, asked one by one; null of those that have none or can not be reached. Once somebody objects,
 * they are asked until each has found something about the dispute.
 */
export const attestationsQuery = (job: string, disputed: boolean, enabled: boolean) =>
  queryOptions({
    queryKey: ['api', 'attestations', job, disputed],
    enabled,
    queryFn: ({ signal }): Promise<{ base: string; attestation: Attestation | null; error: string | null }[]> =>
      Promise.all(
        bases().map(async (base) => {
          try {
            const answer = api(base).GET('/v1/jobs/{job}/attestation', { params: { path: { job } }, signal });
            return { base, attestation: await takeMaybe(answer), error: null };
          } catch (error) {
            return { base, attestation: null, error: (error as Error).message };
          }
        }),
      ),
    refetchInterval: (query) =>
      query.state.data?.every(({ attestation }) => attestation && (!disputed || attestation.disputed)) ? false : 5_000,
  });

/** What each oracle counted of a lease, with its signature over the newest total that the device asked for. */
export const leaseCountsQuery = (job: string, enabled: boolean) =>
  queryOptions({
    queryKey: ['api', 'lease', job],
    enabled,
    queryFn: ({ signal }): Promise<{ base: string; count: LeaseCount | null; error: string | null }[]> =>
      Promise.all(
        bases().map(async (base) => {
          const params = { path: { job } };
          try {
            return { base, count: await takeMaybe(api(base).GET('/v1/leases/{job}', { params, signal })), error: null };
          } catch (error) {
            return { base, count: null, error: (error as Error).message };
          }
        }),
      ),
    refetchInterval: 10_000,
  });
