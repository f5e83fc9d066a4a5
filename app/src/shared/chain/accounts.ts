/** The program's accounts: decoded by their discriminators, read over RPC. */
import {
  type Address,
  address,
  type Base64EncodedBytes,
  getAddressEncoder,
  getBase64Encoder,
  type ReadonlyUint8Array,
} from '@solana/kit';
import {
  BUY_BACK_DISCRIMINATOR,
  type BuyBack,
  CO_STAKE_DISCRIMINATOR,
  type CoStake,
  DEPOSIT_DISCRIMINATOR,
  DEVICE_CLASS_DISCRIMINATOR,
  DEVICE_DISCRIMINATOR,
  type Deposit,
  type Device,
  type DeviceClass,
  EMISSION_DISCRIMINATOR,
  type Emission,
  getBuyBackDecoder,
  getCoStakeDecoder,
  getDepositDecoder,
  getDeviceClassDecoder,
  getDeviceDecoder,
  getEmissionDecoder,
  getJobDecoder,
  getNetworkDecoder,
  getOracleDecoder,
  getOracleSetDecoder,
  getPaymentMintDecoder,
  getProposalDecoder,
  getProviderDecoder,
  getSlashCaseDecoder,
  getVestingDecoder,
  IO_NETWORK_PROGRAM_ADDRESS,
  JOB_DISCRIMINATOR,
  type Job,
  NETWORK_DISCRIMINATOR,
  type Network,
  ORACLE_DISCRIMINATOR,
  ORACLE_SET_DISCRIMINATOR,
  type Oracle,
  type OracleSet,
  PAYMENT_MINT_DISCRIMINATOR,
  type PaymentMint,
  PROPOSAL_DISCRIMINATOR,
  PROVIDER_DISCRIMINATOR,
  type Proposal,
  type Provider,
  SLASH_CASE_DISCRIMINATOR,
  type SlashCase,
  VESTING_DISCRIMINATOR,
  type Vesting,
} from '@/generated/program';
import { sameBytes } from '@/shared/format';
import { rpc } from './rpc';

export const PROGRAM = IO_NETWORK_PROGRAM_ADDRESS;

/** The zero key, as chains write “none”. */
export const NOBODY = '11111111111111111111111111111111';

/** Every kind of account that this app reads. A new one is one line here. */
export interface Kinds {
  job: Job;
  device: Device;
  provider: Provider;
  network: Network;
  oracleSet: OracleSet;
  paymentMint: PaymentMint;
  deviceClass: DeviceClass;
  slashCase: SlashCase;
  coStake: CoStake;
  oracle: Oracle;
  emission: Emission;
  vesting: Vesting;
  deposit: Deposit;
  proposal: Proposal;
  buyBack: BuyBack;
}
export type Kind = keyof Kinds;

/** The oracles of a set: its slots keep holes where one left, and its count is no last slot. None while it is read. */
export const membersOf = (set: Pick<OracleSet, 'oracles'> | null | undefined): string[] =>
  (set?.oracles ?? []).filter((key) => key !== NOBODY);

interface Reading<T> {
  discriminator: ReadonlyUint8Array;
  decode(bytes: ReadonlyUint8Array): T;
}

const READINGS: { [K in Kind]: Reading<Kinds[K]> } = {
  job: { discriminator: JOB_DISCRIMINATOR, decode: (bytes) => getJobDecoder().decode(bytes) },
  device: { discriminator: DEVICE_DISCRIMINATOR, decode: (bytes) => getDeviceDecoder().decode(bytes) },
  provider: { discriminator: PROVIDER_DISCRIMINATOR, decode: (bytes) => getProviderDecoder().decode(bytes) },
  network: { discriminator: NETWORK_DISCRIMINATOR, decode: (bytes) => getNetworkDecoder().decode(bytes) },
  oracleSet: { discriminator: ORACLE_SET_DISCRIMINATOR, decode: (bytes) => getOracleSetDecoder().decode(bytes) },
  paymentMint: { discriminator: PAYMENT_MINT_DISCRIMINATOR, decode: (bytes) => getPaymentMintDecoder().decode(bytes) },
  deviceClass: { discriminator: DEVICE_CLASS_DISCRIMINATOR, decode: (bytes) => getDeviceClassDecoder().decode(bytes) },
  slashCase: { discriminator: SLASH_CASE_DISCRIMINATOR, decode: (bytes) => getSlashCaseDecoder().decode(bytes) },
  coStake: { discriminator: CO_STAKE_DISCRIMINATOR, decode: (bytes) => getCoStakeDecoder().decode(bytes) },
  oracle: { discriminator: ORACLE_DISCRIMINATOR, decode: (bytes) => getOracleDecoder().decode(bytes) },
  emission: { discriminator: EMISSION_DISCRIMINATOR, decode: (bytes) => getEmissionDecoder().decode(bytes) },
  vesting: { discriminator: VESTING_DISCRIMINATOR, decode: (bytes) => getVestingDecoder().decode(bytes) },
  deposit: { discriminator: DEPOSIT_DISCRIMINATOR, decode: (bytes) => getDepositDecoder().decode(bytes) },
  proposal: { discriminator: PROPOSAL_DISCRIMINATOR, decode: (bytes) => getProposalDecoder().decode(bytes) },
  buyBack: { discriminator: BUY_BACK_DISCRIMINATOR, decode: (bytes) => getBuyBackDecoder().decode(bytes) },
};

/** An account as it was in a slot. */
export interface Read<T> {
  address: Address;
  slot: bigint;
  data: T;
}

export type AnyRead = { [K in Kind]: { kind: K } & Read<Kinds[K]> }[Kind];

const DISCRIMINATOR = 8;

export function kindOf(bytes: ReadonlyUint8Array): Kind | null {
  const head = bytes.slice(0, DISCRIMINATOR);
  for (const kind of Object.keys(READINGS) as Kind[]) if (sameBytes(READINGS[kind].discriminator, head)) return kind;
  return null;
}

/** Decodes whatever account of the program this is; null for kinds that this app does not know, or a newer layout. */
export function decodeAny(at: string, slot: bigint, base64: string): AnyRead | null {
  const bytes = getBase64Encoder().encode(base64);
  const kind = kindOf(bytes);
  if (!kind) return null;
  try {
    return { kind, address: at as Address, slot, data: READINGS[kind].decode(bytes) } as AnyRead;
  } catch {
    return null;
  }
}

/** An account's fields as events carry them: without the discriminator. */
export function decodeBody<K extends Kind>(kind: K, body: Uint8Array): Kinds[K] {
  return READINGS[kind].decode(Uint8Array.of(...READINGS[kind].discriminator, ...body));
}

function decodeAs<K extends Kind>(kind: K, at: string, slot: bigint, base64: string): Read<Kinds[K]> | null {
  const read = decodeAny(at, slot, base64);
  return read?.kind === kind ? (read as unknown as Read<Kinds[K]>) : null;
}

/** One account; null when there is none. */
export async function fetchAccount<K extends Kind>(
  kind: K,
  at: string,
  signal?: AbortSignal,
): Promise<Read<Kinds[K]> | null> {
  const { context, value } = await rpc()
    .getAccountInfo(address(at), { encoding: 'base64', commitment: 'confirmed' })
    .send({ abortSignal: signal });
  return value && decodeAs(kind, at, context.slot, value.data[0]);
}

/** Equal bytes at an offset of the account, the discriminator's 8 included. */
export interface Filter {
  offset: number;
  bytes: string | ReadonlyUint8Array;
}

/** All accounts of a kind, or those that the filters let pass. */
export async function fetchAll<K extends Kind>(
  kind: K,
  filters: readonly Filter[] = [],
  signal?: AbortSignal,
): Promise<Read<Kinds[K]>[]> {
  const memcmp = (offset: number, bytes: ReadonlyUint8Array) => ({
    memcmp: {
      offset: BigInt(offset),
      bytes: btoa(String.fromCharCode(...bytes)) as Base64EncodedBytes,
      encoding: 'base64' as const,
    },
  });
  const answer = await rpc()
    .getProgramAccounts(PROGRAM, {
      encoding: 'base64',
      commitment: 'confirmed',
      withContext: true,
      filters: [
        memcmp(0, READINGS[kind].discriminator),
        ...filters.map(({ offset, bytes }) =>
          memcmp(offset, typeof bytes === 'string' ? getAddressEncoder().encode(address(bytes)) : bytes),
        ),
      ],
    })
    .send({ abortSignal: signal });
  return answer.value
    .map(({ pubkey, account }) => decodeAs(kind, pubkey, answer.context.slot, account.data[0]))
    .filter((read) => read !== null);
}

/** Where the fields that lists are filtered by lie, discriminator included. */
export const OFFSETS = {
  job: { renter: 8, provider: 8 + 32 * 6 },
  device: { provider: 8 },
  slashCase: { provider: 8 },
  coStake: { provider: 8, coStaker: 40 },
  deposit: { job: 8 },
} as const;
