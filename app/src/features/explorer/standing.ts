import type { Kinds } from '@/shared/chain';
import { scoreBps, together } from '@/shared/rewards';

/** A device's reputation now: its own record with its provider's of devices that were retired, basis points. */
export function reputationOf(device: Kinds['device'], provider: Kinds['provider'] | undefined, now: number): number {
  return scoreBps(provider ? together(device.record, provider.record) : device.record, BigInt(Math.floor(now)));
}
