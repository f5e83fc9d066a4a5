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

/** What a job costs so far: once final what was not refunded, before the whole escrow. */
export function costOf(job: Kinds['job']): bigint {
  return isFinal(job.state) ? job.escrow - (job.refunded < job.escrow ? job.refunded : job.escrow) : job.escrow;
}
