import { getAddressEncoder, getBase58Encoder } from '@solana/kit';
import type { Attestation } from '@/shared/api';
import { fromHex, hex } from '@/shared/format';
import { verifySignature } from './signature';
import { type Deployment, epochOf, resultBytes } from './statements';

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
  const statement = resultBytes({
    deployment,
    setVersion: BigInt(attestation.set_version),
    job: Uint8Array.from(getAddressEncoder().encode(submission.job as never)),
    createdSlot: submission.createdSlot,
    epoch: epochOf(submission.submittedAt),
    verdict: attestation.verdict,
    outputHash: submission.outputHash,
    units: submission.units,
    disputed: attestation.disputed ?? false,
  });
  let signed = false;
  try {
    signed = verifySignature(base58(attestation.oracle), statement, base58(attestation.signature));
  } catch {
    // Not base58: not a signature.
  }
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

export function keyBytes(address: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(getAddressEncoder().encode(address as never));
}

export { fromHex };
