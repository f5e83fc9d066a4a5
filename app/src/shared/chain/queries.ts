/** The chain as queries. Live updates patch them (`patch.ts`); until the stream is up they are read again now and then. */
import { type Address, address } from '@solana/kit';
import { getTokenSize } from '@solana-program/token';
import { queryOptions } from '@tanstack/react-query';
import { getJobSize } from '@/generated/program';
import { config } from '@/shared/config';
import { IO, paddedText, type Unit } from '@/shared/format';
import { type Filter, fetchAccount, fetchAll, type Kind, type Kinds, OFFSETS, type Read } from './accounts';
import { associatedToken, pda, tokenProgramOf } from './pda';
import { rpc } from './rpc';

/** Read again after so long without live news, milliseconds. */
const SLOW = 60_000;
const FAST = 15_000;
/** The same while it can not be read at all. */
const AWAY = 5_000;

/** `refetchInterval` of what is read so often. */
const each = (ms: number) => (query: { state: { status: string } }) =>
  query.state.status === 'error' ? Math.min(AWAY, ms) : ms;

export const accountKey = (at: string) => ['chain', 'account', at] as const;
export const listKey = (kind: Kind, by: Record<string, string> = {}) => ['chain', 'list', kind, by] as const;

/** An account by its address; null when there is none. */
export const accountQuery = <K extends Kind>(kind: K, at: string) =>
  queryOptions({
    queryKey: accountKey(at),
    queryFn: ({ signal }) => fetchAccount(kind, at, signal),
    refetchInterval: each(FAST),
  });

const listQuery = <K extends Kind>(kind: K, by: Record<string, string>, filters: readonly Filter[], every = SLOW) =>
  queryOptions({
    queryKey: listKey(kind, by),
    queryFn: ({ signal }): Promise<Read<Kinds[K]>[]> => fetchAll(kind, filters, signal),
    refetchInterval: each(every),
  });

export const networkQuery = () =>
  queryOptions({
    queryKey: ['chain', 'network'],
    queryFn: async ({ signal }) => fetchAccount('network', await pda.network(), signal),
    refetchInterval: each(SLOW),
  });

export const oracleSetQuery = () =>
  queryOptions({
    queryKey: ['chain', 'oracleSet'],
    queryFn: async ({ signal }) => fetchAccount('oracleSet', await pda.oracleSet(), signal),
    refetchInterval: each(SLOW),
  });

export const jobQuery = (at: string) => accountQuery('job', at);
export const jobsQuery = () => listQuery('job', {}, []);
export const jobsOfRenterQuery = (renter: string) =>
  listQuery('job', { renter }, [{ offset: OFFSETS.job.renter, bytes: renter }]);
export const devicesQuery = () => listQuery('device', {}, []);
export const devicesOfProviderQuery = (provider: string) =>
  listQuery('device', { provider }, [{ offset: OFFSETS.device.provider, bytes: provider }]);
export const providersQuery = () => listQuery('provider', {}, []);
export const classesQuery = () => listQuery('deviceClass', {}, []);
export const emissionQuery = () =>
  queryOptions({
    queryKey: ['chain', 'emission'],
    queryFn: async ({ signal }) => fetchAccount('emission', await pda.emission(), signal),
    refetchInterval: each(FAST),
  });
export const vestingsQuery = () => listQuery('vesting', {}, []);
export const oraclesQuery = () => listQuery('oracle', {}, []);
export const slashCasesQuery = () => listQuery('slashCase', {}, []);
export const slashCasesOfQuery = (provider: string) =>
  listQuery('slashCase', { provider }, [{ offset: OFFSETS.slashCase.provider, bytes: provider }]);
export const jobsOfProviderQuery = (provider: string) =>
  listQuery('job', { provider }, [{ offset: OFFSETS.job.provider, bytes: provider }]);
export const coStakesOfProviderQuery = (provider: string) =>
  listQuery('coStake', { provider }, [{ offset: OFFSETS.coStake.provider, bytes: provider }]);
export const coStakesOfQuery = (coStaker: string) =>
  listQuery('coStake', { coStaker }, [{ offset: OFFSETS.coStake.coStaker, bytes: coStaker }]);
/** What sponsors, and whoever extended it, put into a job, and was not given back yet. */
export const depositsQuery = (job: string) =>
  listQuery('deposit', { job }, [{ offset: OFFSETS.deposit.job, bytes: job }]);
export const mintsQuery = () => listQuery('paymentMint', {}, []);
/** At what prices the treasury buys IO back, one for each of its mints. */
export const buyBacksQuery = () => listQuery('buyBack', {}, []);

export function className(data: Kinds['deviceClass']): string {
  return paddedText(data.name as Uint8Array);
}

/** Tokens that have a name, on mainnet and devnet. */
const NAMES: Record<string, string> = {
  EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v: 'USDC',
  '4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU': 'USDC',
};

/** How amounts of a mint are written. IO and a few by name; others by the beginning of their address. */
export function unitOf(mint: string, mints: readonly Read<Kinds['paymentMint']>[] | undefined): Unit {
  if (mint === config().io_mint) return IO;
  const known = mints?.find(({ data }) => data.mint === mint);
  return { symbol: NAMES[mint] ?? `${mint.slice(0, 4)}…`, decimals: known?.data.decimals ?? null };
}

/** What a wallet holds of a mint, base units; 0 without an account. */
export const tokenBalanceQuery = (owner: string | null, mint: string) =>
  queryOptions({
    queryKey: ['chain', 'tokens', owner, mint],
    enabled: owner !== null,
    queryFn: async ({ signal }) => {
      const at = await associatedToken(owner as Address, address(mint), await tokenProgramOf(address(mint)));
      const { value } = await rpc()
        .getAccountInfo(at, { encoding: 'jsonParsed', commitment: 'confirmed' })
        .send({ abortSignal: signal });
      const parsed = value?.data as { parsed?: { info?: { tokenAmount?: { amount?: string } } } } | undefined;
      return BigInt(parsed?.parsed?.info?.tokenAmount?.amount ?? '0');
    },
    refetchInterval: each(FAST),
  });

export const solBalanceQuery = (owner: string | null) =>
  queryOptions({
    queryKey: ['chain', 'sol', owner],
    enabled: owner !== null,
    queryFn: async ({ signal }) =>
      (
        await rpc()
          .getBalance(owner as Address, { commitment: 'confirmed' })
          .send({ abortSignal: signal })
      ).value as bigint,
    refetchInterval: each(FAST),
  });

/** Rent of a job's account and its vault's, lamports: it comes back when the job is closed. */
export const jobRentQuery = () =>
  queryOptions({
    queryKey: ['chain', 'rent', 'job'],
    staleTime: SLOW,
    queryFn: async ({ signal }): Promise<bigint> => {
      const of = (bytes: number) =>
        rpc().getMinimumBalanceForRentExemption(BigInt(bytes)).send({ abortSignal: signal });
      const [job, vault] = await Promise.all([of(getJobSize()), of(getTokenSize())]);
      return BigInt(job) + BigInt(vault);
    },
  });
