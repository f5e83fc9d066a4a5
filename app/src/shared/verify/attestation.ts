import { getAddressEncoder, getBase58Encoder } from '@solana/kit';
import type { Attestation } from '@/shared/api';
import { duration, fromHex, hex } from '@/shared/format';
import { blake3Bytes } from './hash';
import { verifySignature } from './signature';
import { auditBytes, type Deployment, epochOf, resultBytes } from './statements';

/** What the chain says of a submitted result. */
export interface Submission {
  job: string;
  createdSlot: bigint;
  submittedAt: bigint;
  outputHash: Uint8Array;
  units: bigint;
  /** Whether somebody has objected to it. */
  disputed: boolean;
}

export interface Check {
  name: string;
  ok: boolean;
  detail: string;
}

const base58 = (text: string) => Uint8Array.from(getBase58Encoder().encode(text));

/**
 * Checks an attestation against the chain: the statement is rebuilt from the chain's own fields, never from the attestation's, so a
 * signature over anything else fails. Whether the oracle said it before a dispute or about it is its own to say, and is signed.
 */
export function checkAttestation(
  attestation: Attestation,
  submission: Submission,
  deployment: Deployment,
  set: { version: bigint; oracles: readonly string[] },
): Check[] {
  const member = set.oracles.includes(attestation.oracle);
  const job = keyBytes(submission.job);
  const statement = resultBytes({
    deployment,
    setVersion: BigInt(attestation.set_version),
    job,
    createdSlot: submission.createdSlot,
    epoch: epochOf(submission.submittedAt),
    verdict: attestation.verdict,
    outputHash: submission.outputHash,
    units: submission.units,
    disputed: attestation.disputed ?? false,
  });
  const isSigned = (bytes: () => Uint8Array, signature: string | null | undefined) => {
    try {
      return !!signature && verifySignature(base58(attestation.oracle), bytes(), base58(signature));
    } catch {
      // Not base58, or numbers that no statement holds: not a signature.
      return false;
    }
  };
  const signed = isSigned(() => statement, attestation.signature);
  const did = isSigned(
    () =>
      auditBytes({
        deployment,
        job,
        createdSlot: submission.createdSlot,
        verdict: blake3Bytes(statement),
        audited: attestation.audit?.audited ?? false,
        reputationBps: attestation.audit?.reputation_bps ?? 0,
        checkedSteps: BigInt(attestation.checked_steps),
        totalSteps: BigInt(attestation.total_steps),
      }),
    attestation.audit_signature,
  );
  return [
    {
      name: 'Signer',
      ok: member,
      detail: member ? 'is in the oracle set on chain' : 'is not in the oracle set on chain',
    },
    {
      name: 'Signature',
      ok: signed,
      detail: signed
        ? `Ed25519 over ${statement.length} bytes rebuilt from the chain: ${hex(statement.subarray(0, 16)).slice(0, 12)}…`
        : 'does not match the statement rebuilt from the chain',
    },
    {
      name: 'Work',
      ok: did,
      detail: did
        ? 'what the oracle says that it looked at is under a signature of its own, over this verdict'
        : 'what the oracle says that it looked at is not signed by it',
    },
    {
      name: 'Output',
      ok: attestation.output_hash === hex(submission.outputHash),
      detail: 'is the one submitted on chain',
    },
    ...(submission.disputed
      ? [
          {
            name: 'Dispute',
            ok: attestation.disputed ?? false,
            detail: attestation.disputed
              ? 'was found after somebody objected'
              : 'was signed before somebody objected: it counts no more',
          },
        ]
      : []),
  ];
}

/** What an attestation says, once it is checked. */
export interface Reading {
  /** Every check holds. */
  holds: boolean;
  /** `good` and `bad` are of what holds only. */
  tone: 'good' | 'bad' | 'warn';
  verdict: string;
  /** What the oracle did, as far as it signed that; null where it did not. */
  signed: string | null;
  /** What nothing but its answer says: under no signature. */
  unsigned: string;
}

export function readAttestation(attestation: Attestation, checks: readonly Check[]): Reading {
  const { audit, verdict } = attestation;
  const holds = checks.every(({ ok }) => ok);
  const did =
    audit?.audited === false
      ? 'looked at its form, and ran nothing again'
      : `ran ${attestation.checked_steps} of ${attestation.total_steps} steps again`;
  const isSigned = checks.some(({ name, ok }) => name === 'Work' && ok);
  const unsigned = [
    !isSigned && did,
    audit && `drawn to run it again with a chance of ${audit.rate_ppm / 10_000} %`,
    `took ${duration(attestation.verify_ms / 1000)}`,
  ];
  return {
    holds,
    tone: !holds ? 'warn' : verdict === 'valid' ? 'good' : 'bad',
    verdict: holds ? verdict : `claims ${verdict}`,
    signed: isSigned ? did : null,
    unsigned: unsigned.filter(Boolean).join(', '),
  };
}

export function keyBytes(address: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(getAddressEncoder().encode(address as never));
}

export { fromHex };
