/** From uptime to amounts, exactly as `crates/protocol/src/scores.rs`. */

export const SLOTS = 60;
const ALL_SLOTS = (1n << 60n) - 1n;
const BPS = 10_000n;
const MAX_PERFORMANCE_BPS = 15_000n;
export const GROUPS = ['community', 'enterprise'] as const;

/** What a device was in an epoch. */
export interface DeviceEpoch {
  group: number;
  multiplierE2: number;
  topsE2: number;
  normTopsE2: number;
  reputationBps: number;
  /** Bits of slots with a heartbeat, and with a job. */
  seen: bigint;
  hired: bigint;
}

export function bits(mask: bigint): number {
  let [count, rest] = [0, mask];
  for (; rest > 0n; rest &= rest - 1n) count += 1;
  return count;
}

export const slotsOf = (device: DeviceEpoch) => bits((device.seen | device.hired) & ALL_SLOTS);

export function performanceBps(device: DeviceEpoch): bigint {
  if (device.normTopsE2 === 0) return BPS;
  const bps = (BigInt(device.topsE2) * BPS) / BigInt(device.normTopsE2);
  return least(bps, MAX_PERFORMANCE_BPS);
}

export function scoreOf(device: DeviceEpoch): bigint {
  return BigInt(device.multiplierE2) * BigInt(slotsOf(device)) * performanceBps(device) * BigInt(device.reputationBps);
}

/** The smaller one. */
export const least = (a: bigint, b: bigint) => [a, b].reduce((x, y) => (x < y ? x : y));

export type PerGroup = [community: bigint, enterprise: bigint];

export function budgets(emission: bigint, enterpriseBps: number): PerGroup {
  const share = BigInt(Math.min(enterpriseBps, 10_000));
  const enterprise = (emission * share) / BPS;
  return [emission - enterprise, enterprise];
}

export interface Distribution {
  earned: bigint[];
  carry: PerGroup;
  scores: PerGroup;
  payable: PerGroup;
}

export function distribute(
  devices: readonly DeviceEpoch[],
  emission: bigint,
  enterpriseBps: number,
  carried: PerGroup,
): Distribution {
  const budget = budgets(emission, enterpriseBps);
  const scores: PerGroup = [0n, 0n];
  for (const device of devices) scores[device.group as 0 | 1] += scoreOf(device);
  const payable: PerGroup = [budget[0] + least(carried[0], budget[0]), budget[1] + least(carried[1], budget[1])];
  const carry: PerGroup = [budget[0] + carried[0], budget[1] + carried[1]];
  const earned = devices.map((device) => {
    const group = device.group as 0 | 1;
    const amount = scores[group] === 0n ? 0n : (payable[group] * scoreOf(device)) / scores[group];
    carry[group] -= amount;
    return amount;
  });
  return { earned, carry, scores, payable };
}
