import { type Address, getAddressEncoder, getProgramDerivedAddress, getU16Encoder, getU64Encoder } from '@solana/kit';
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import { PROGRAM } from './accounts';
import { ChainFailure, rpc } from './rpc';

const key = (address: Address) => getAddressEncoder().encode(address);

async function derive(seeds: Parameters<typeof getProgramDerivedAddress>[0]['seeds']): Promise<Address> {
  const [address] = await getProgramDerivedAddress({ programAddress: PROGRAM, seeds });
  return address;
}

export const pda = {
  network: () => derive(['network']),
  oracleSet: () => derive(['oracles']),
  payment: (mint: Address) => derive(['payment', key(mint)]),
  job: (renter: Address, nonce: bigint) => derive(['job', key(renter), getU64Encoder().encode(nonce)]),
  vault: (job: Address) => derive(['vault', key(job)]),
  provider: (authority: Address) => derive(['provider', key(authority)]),
  deviceClass: (id: number) => derive(['class', getU16Encoder().encode(id)]),
  oracle: (authority: Address) => derive(['oracle', key(authority)]),
  coStake: (provider: Address, coStaker: Address) => derive(['co-stake', key(provider), key(coStaker)]),
  coVault: (provider: Address) => derive(['co-vault', key(provider)]),
  vesting: (index: number) => derive(['vesting', Uint8Array.of(index)]),
  emission: () => derive(['emission']),
  stakeVault: (provider: Address) => derive(['stake', key(provider)]),
};

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
