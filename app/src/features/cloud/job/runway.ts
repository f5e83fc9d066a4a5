/** A lease's time, reckoned as the program does (`programs/io-network/src/instructions/job/extend_job.rs`). */
import { escrowFor } from '@/shared/chain';

/** `kind` of a lease. */
export const LEASE = 1;
/** `endedBy` while it runs on. */
export const NOBODY = 0;

/** A warning is shown below this much runway, seconds, or a quarter of what was bought if that is less. */
const WARN_SECONDS = 600;
const WARN_PARTS = 4;

interface Lease {
  maxUnits: bigint;
  maxPrice: bigint;
  maxRunSeconds: number;
  escrow: bigint;
  runUntil: bigint;
  reserveBps: number;
  paymentBps: number;
}

/** What so many more seconds put into the escrow at most; null when the lease can not be that long. */
export function extensionCost(lease: Lease, seconds: bigint): bigint | null {
  const total = lease.maxUnits + seconds;
  if (seconds <= 0n || total > BigInt(lease.maxRunSeconds)) return null;
  const escrow = escrowFor(total, lease.maxPrice, lease);
  return escrow === null || escrow <= lease.escrow ? null : escrow - lease.escrow;
}

/** Seconds left, and whether that is little. Never more than was bought, though the chain's clock may lead this one. */
export function runway(lease: Lease, now: number): { left: number; low: boolean } {
  const left = Math.min(Math.max(0, Number(lease.runUntil) - now), Number(lease.maxUnits));
  return { left, low: left < Math.min(WARN_SECONDS, Number(lease.maxUnits) / WARN_PARTS) };
}
