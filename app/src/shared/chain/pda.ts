import { type Address, getAddressEncoder, getProgramDerivedAddress, getU16Encoder, getU64Encoder } from '@solana/kit';
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import { PROGRAM } from './accounts';
import { ChainFailure, rpc } from './rpc';

const key = (address: Address) => getAddressEncoder().encode(address);

type Seeds = Parameters<typeof getProgramDerivedAddress>[0]['seeds'];

async function derive(seeds: Seeds): Promise<Address> {
  const [address] = await getProgramDerivedAddress({ programAddress: PROGRAM, seeds });
  return address;
}

const jobSeeds = (renter: Address, nonce: bigint): Seeds => ['job', key(renter), getU64Encoder().encode(nonce)];
const vaultSeeds = (job: Address): Seeds => ['vault', key(job)];

export const pda = {
  network: () => derive(['network']),
  oracleSet: () => derive(['oracles']),
  payment: (mint: Address) => derive(['payment', key(mint)]),
  job: (renter: Address, nonce: bigint) => derive(jobSeeds(renter, nonce)),
  vault: (job: Address) => derive(vaultSeeds(job)),
  provider: (authority: Address) => derive(['provider', key(authority)]),
  deviceClass: (id: number) => derive(['class', getU16Encoder().encode(id)]),
  oracle: (authority: Address) => derive(['oracle', key(authority)]),
  /** Of a piece of hardware, whoever registers it. */
  device: (hardware: Uint8Array) => derive(['device', hardware]),
  /** A provider's case by its number. */
  slashCase: (provider: Address, number: bigint) => derive(['slash', key(provider), getU64Encoder().encode(number)]),
  coStake: (provider: Address, coStaker: Address) => derive(['co-stake', key(provider), key(coStaker)]),
  coVault: (provider: Address) => derive(['co-vault', key(provider)]),
  vesting: (index: number) => derive(['vesting', Uint8Array.of(index)]),
  emission: () => derive(['emission']),
  stakeVault: (provider: Address) => derive(['stake', key(provider)]),
};

/**
 * The first nonce from `from` on whose job and vault are found at the first try. The program searches for both addresses, and each further
 * try costs 1,500 compute units; one nonce in four is such a one.
 */
export async function jobNonce(renter: Address, from: bigint): Promise<bigint> {
  for (let nonce = from; ; nonce = BigInt.asUintN(64, nonce + 1n)) {
    const [job, bump] = await getProgramDerivedAddress({ programAddress: PROGRAM, seeds: jobSeeds(renter, nonce) });
    if (bump !== 255) continue;
    const [, vaultBump] = await getProgramDerivedAddress({ programAddress: PROGRAM, seeds: vaultSeeds(job) });
    if (vaultBump === 255) return nonce;
  }
}

/** The token program that a mint belongs to. */
export async function tokenProgramOf(mint: Address): Promise<Address> {
  const { value } = await rpc().getAccountInfo(mint, { encoding: 'base64', commitment: 'confirmed' }).send();
  if (!value) throw new ChainFailure(`there is no mint ${mint}`, 'Choose another token.');
  return value.owner;
}

/** A wallet's own token account of a mint. */
export async function associatedToken(
  owner: Address,
  mint: Address,
  tokenProgram: Address = TOKEN_PROGRAM_ADDRESS,
): Promise<Address> {
  const [address] = await findAssociatedTokenPda({ owner, mint, tokenProgram });
  return address;
}
