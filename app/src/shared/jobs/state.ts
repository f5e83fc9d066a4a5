import type { Kinds } from '@/shared/chain';
import type { Tone } from '@/shared/ui';

/** States of a job by their number on chain. */
export const STATES = [
  'none',
  'open',
  'running',
  'submitted',
  'disputed',
  'settled',
  'rejected',
  'cancelled',
  'expired',
] as const;
export type StateName = (typeof STATES)[number];

export function stateName(state: number): StateName {
  return STATES[state] ?? 'none';
}

export const isFinal = (state: number) => state >= 5;

export const STATE_TONES: Record<StateName, Tone> = {
  none: 'quiet',
  open: 'info',
  running: 'info',
  submitted: 'warn',
  disputed: 'warn',
  settled: 'good',
  rejected: 'bad',
  cancelled: 'quiet',
  expired: 'bad',
};

/** What was not refunded. What somebody gave to a vault goes back as well: a refund may be more than the escrow. */
export const costOfEnded = (escrow: bigint, refunded: bigint) => (refunded < escrow ? escrow - refunded : 0n);

/** What a job costs so far: once final what was not refunded, before the whole escrow. */
export function costOf(job: Kinds['job']): bigint {
  return isFinal(job.state) ? costOfEnded(job.escrow, job.refunded) : job.escrow;
}
