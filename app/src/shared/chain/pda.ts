import { type Address, getAddressEncoder, getProgramDerivedAddress, getU64Encoder } from '@solana/kit';
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import { PROGRAM } from './accounts';

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
  stakeVault: (provider: Address) => derive(['stake', key(provider)]),
};

/** A wallet's own token account of a mint. */
export async function associatedToken(owner: Address, mint: Address): Promise<Address> {
  const [address] = await findAssociatedTokenPda({ owner, mint, tokenProgram: TOKEN_PROGRAM_ADDRESS });
  return address;
}
