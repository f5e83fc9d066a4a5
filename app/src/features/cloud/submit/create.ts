/** The job on chain: terms, address, the one instruction that the wallet signs. */
import { type Address, createNoopSigner } from '@solana/kit';
import { getCreateJobInstructionAsync } from '@/generated/program';
import type { Schemas } from '@/shared/api';
import { associatedToken, pda, tokenProgramOf } from '@/shared/chain';
import { fromHex, packRegion } from '@/shared/format';

/** `class` of a job that a device of any may take. */
export const ANY_CLASS = 65_535;

export interface CreateJob {
  renter: string;
  /** Makes its address. */
  nonce: bigint;
  mint: string;
  specHash: string;
  maxPrice: bigint;
  maxUnits: bigint;
  escrow: bigint;
  /** Unix seconds, by the chain's clock. */
  deadline: bigint;
  maxRunSeconds: number;
  requirement: Schemas['Requirement'];
  verification: number;
  /** A lease: `maxUnits` are the seconds rented now, `maxRunSeconds` what they may come to. */
  isLease: boolean;
}

export async function createJob(job: CreateJob) {
  const renter = createNoopSigner(job.renter as Address);
  const mint = job.mint as Address;
  const terms = {
    nonce: job.nonce,
    specHash: fromHex(job.specHash),
    maxPrice: job.maxPrice,
    maxUnits: job.maxUnits,
    maxEscrow: job.escrow,
    deposit: 0n,
    deadline: job.deadline,
    maxRunSeconds: job.maxRunSeconds,
    minMultiplierE2: job.requirement.min_multiplier_e2 ?? 0,
    minMemoryMib: job.requirement.min_memory_mib ?? 0,
    class: job.requirement.class ?? ANY_CLASS,
    region: packRegion(job.requirement.region ?? ''),
    minReputationBps: job.requirement.min_reputation_bps ?? 0,
    verification: job.verification,
    devices: 1,
    kind: job.isLease ? 1 : 0,
  };
  const address = await pda.job(renter.address, terms.nonce);
  const tokenProgram = await tokenProgramOf(mint);
  const instruction = await getCreateJobInstructionAsync({
    renter,
    payer: renter,
    network: await pda.network(),
    payment: await pda.payment(mint),
    mint,
    job: address,
    payerToken: await associatedToken(renter.address, mint, tokenProgram),
    tokenProgram,
    ...terms,
  });
  return { address, instruction };
}
