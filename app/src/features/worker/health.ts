/** Is a device fit to earn? Each check names its fix. Pure. */
import { getU64Decoder } from '@solana/kit';
import type { Offer } from '@/shared/api';
import { type Kinds, NOBODY } from '@/shared/chain';
import { duration, exact, IO } from '@/shared/format';
import { BEAT_SECONDS, type Beat } from '@/shared/live';

export interface HealthCheck {
  name: string;
  ok: boolean;
  detail: string;
  /** What to do; only beside failures. */
  fix?: string;
}

const HOT_CELSIUS = 87;
/** Warn while an attestation is good for less than this, seconds. */
const SOON_SECONDS = 300;
/** An operator pays its own fees: enough for some hundred transactions, lamports. */
const LEAST_LAMPORTS = 5_000_000n;

export function bondNeeded(minBond: bigint, multiplierE2: number): bigint {
  return (minBond * BigInt(Math.max(100, multiplierE2)) + 99n) / 100n;
}

/** What a wrong hardware proof still costs it, IO base units. */
export function penaltyDue(device: Pick<Kinds['device'], 'faultDue'>): bigint {
  return getU64Decoder().decode(device.faultDue);
}

export function healthOf(of: {
  device: Kinds['device'];
  network: Kinds['network'] | undefined;
  offer: Offer | undefined;
  /** Undefined when the oracle can not be asked. */
  apiUp: boolean;
  /** Its last heartbeat, if that is fresh. */
  beat: Beat | undefined;
  /** Since the last one, seconds; null when this page heard none. */
  silence: number | null;
  operatorLamports: bigint | undefined;
  address: string;
  now: number;
}): HealthCheck[] {
  const { device, network, offer, beat, now, address } = of;
  const checks: HealthCheck[] = [];
  const add = (name: string, ok: boolean, detail: string, fix: string) =>
    checks.push(ok ? { name, ok, detail } : { name, ok, detail, fix });
  if (of.apiUp) {
    const told = offer?.last_heartbeat_ms ? Math.max(0, now - offer.last_heartbeat_ms / 1000) : null;
    const age = of.silence ?? told;
    add(
      'Connected',
      age !== null && age < BEAT_SECONDS,
      age === null ? 'this oracle has seen no heartbeat' : `heartbeat ${duration(age)} ago`,
      'Start the worker: io worker run --config worker.toml. If it runs, look at its log for the oracles’ addresses.',
    );
  }
  const until = Number(device.attestedAt) + (network?.attestationSeconds ?? 0);
  if (network) {
    add(
      'Attested',
      device.attestedAt > 0n && until - now > SOON_SECONDS,
      device.attestedAt === 0n
        ? 'no quorum has measured it yet'
        : until > now
          ? `good for ${duration(until - now)}`
          : `ended ${duration(now - until)} ago`,
      'A running worker renews it by itself when half of the time is over. Measure by hand: io device self-test --config worker.toml.',
    );
    const need = bondNeeded(network.minBond, device.multiplierE2);
    add(
      'Bond',
      device.bond >= need,
      `${exact(device.bond, IO)} of at least ${exact(need, IO)}`,
      `Raise it under “Bond and retirement”, or io device bond ${address} ${exact(need, IO).replace(/[^\d.]/g, '')}. Free stake has to cover it.`,
    );
  }
  add(
    'Room for jobs',
    device.bond > 0n && device.exposure * 10n < device.bond * 9n,
    `${exact(device.exposure, IO)} of the bond vouches for unsettled jobs`,
    'Jobs settle by themselves; a larger bond takes more of them at once.',
  );
  const due = penaltyDue(device);
  if (due > 0n) {
    add(
      'Penalty',
      false,
      `it owes ${exact(due, IO)} for a wrong hardware proof, and takes no jobs`,
      `Add stake, then pay it under “Bond and retirement”, or io device pay-penalty ${address}.`,
    );
  }
  add(
    'Takes jobs',
    device.state === 0,
    device.state === 0 ? 'active' : 'draining',
    `io device drain ${address} --undo, or the button beside.`,
  );
  // At work it is passed over, as it should be.
  if (offer && !offer.available && offer.unavailable_because && device.currentJob === NOBODY) {
    add(
      'Offered',
      false,
      offer.unavailable_because,
      'Oracles say why they pass it over; the checks beside show the cause.',
    );
  }
  if (of.operatorLamports !== undefined) {
    add(
      'Fees',
      of.operatorLamports >= LEAST_LAMPORTS,
      `the operator holds ${Number(of.operatorLamports) / 1e9} SOL`,
      `Send some SOL to ${device.operator}: it pays for accepting and submitting.`,
    );
  }
  if (beat?.temperature_c != null) {
    add(
      'Temperature',
      beat.temperature_c < HOT_CELSIUS,
      `${beat.temperature_c.toFixed(0)} °C`,
      'It throttles, and jobs may miss their deadline: clean the fans, lower its power limit, or drain it.',
    );
  }
  const [done, failed] = [Number(device.completed), Number(device.failed)];
  add(
    'Reliable',
    failed === 0 || failed * 20 <= done,
    failed === 0 ? `${done} jobs done, none failed` : `${failed} of ${done + failed} jobs failed`,
    'Each failure weighs four successes. Look at Slash cases for the reasons, and drain before you stop a machine.',
  );
  return checks;
}
