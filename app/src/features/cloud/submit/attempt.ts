/**
 * The number of the job that a wallet is trying to create, which makes its address. It is kept until that job is on the chain: what is
 * tried again after nobody could say what became of it makes no second one, and no second escrow.
 */
import type { Address } from '@solana/kit';
import { fetchAccount, jobNonce, type Kinds, pda, type Read } from '@/shared/chain';

const key = (renter: string) => `io.nonce.${renter}`;

function kept(renter: string): bigint | null {
  try {
    const text = sessionStorage.getItem(key(renter));
    return text === null ? null : BigInt(text);
  } catch {
    return null;
  }
}

export async function nonceOf(renter: Address): Promise<bigint> {
  const before = kept(renter);
  if (before !== null) return before;
  const nonce = await jobNonce(renter, crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n);
  try {
    sessionStorage.setItem(key(renter), nonce.toString());
  } catch {}
  return nonce;
}

/** The job of an earlier try, when it is on the chain after all. */
export async function landed(renter: Address, signal: AbortSignal): Promise<Read<Kinds['job']> | null> {
  const before = kept(renter);
  return before === null ? null : fetchAccount('job', await pda.job(renter, before), signal);
}

export function forget(renter: string) {
  try {
    sessionStorage.removeItem(key(renter));
  } catch {}
}
