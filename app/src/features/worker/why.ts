/** Why a device is missing from an epoch. Pure. */
import type { Kinds } from '@/shared/chain';
import { duration } from '@/shared/format';
import { penaltyDue } from './health';

export function whyNot(of: {
  device: Kinds['device'];
  /** Which of the oracles' reports name it. */
  reports: readonly boolean[];
  quorum: number;
  /** Unix seconds. */
  ended: number;
  attestationSeconds: number | undefined;
  /** IO base units. */
  leastBond: bigint | undefined;
}): string {
  const { device, reports, quorum, ended } = of;
  const named = reports.filter(Boolean).length;
  if (Number(device.since) > ended) return 'It was registered after the epoch.';
  if (named > 0)
    return `${named} of ${reports.length} oracles reported it, and ${quorum} are needed: it reached too few of them. Let the worker connect to all oracles.`;
  if (penaltyDue(device) > 0n)
    return 'It owes a penalty for a wrong hardware proof, and earns nothing until that is paid. See Health checks on the Devices page.';
  if (of.leastBond !== undefined && device.bond < of.leastBond)
    return 'Its bond is below the least of its class, and so it earns nothing. See Health checks on the Devices page.';
  const attested = Number(device.attestedAt);
  if (attested === 0) return 'It was never attested: start the worker, which has the device measured.';
  if (attested > ended)
    return 'No oracle reported it. It was attested again since then; at the epoch’s end its attestation may have been too old, or it was off.';
  if (of.attestationSeconds !== undefined && attested + of.attestationSeconds < ended)
    return `Its attestation had ended ${duration(ended - attested - of.attestationSeconds)} before: a running worker renews it by itself.`;
  return 'No oracle saw a heartbeat of it: it was off, or could reach none. See Health checks on the Devices page.';
}
