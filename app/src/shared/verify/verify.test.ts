import { ed25519 } from '@noble/curves/ed25519.js';
import { getBase58Decoder } from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { hex } from '@/shared/format';
import {
  auditBytes,
  blake3Bytes,
  blake3Hex,
  checkAttestation,
  epochOf,
  hasher,
  leaseBytes,
  readAttestation,
  requestBytes,
  resultBytes,
  verifySignature,
} from '.';

const fill = (value: number) => new Uint8Array(32).fill(value);
const base58 = (bytes: Uint8Array) => getBase58Decoder().decode(bytes);

describe('statements', () => {
  const statement = {
    deployment: { program: fill(1), cluster: fill(2) },
    setVersion: 3n,
    job: fill(4),
    createdSlot: 5n,
    epoch: 6n,
    verdict: 'valid' as const,
    outputHash: fill(7),
    units: 8n,
    disputed: false,
  };
  it('have the layout that the program compares', () => {
    const bytes = resultBytes(statement);
    expect(bytes.length).toBe(177);
    expect(new TextDecoder().decode(bytes.subarray(0, 16))).toBe('io/result/1.....');
    expect(bytes[16]).toBe(1);
    expect(hex(bytes.subarray(80, 88))).toBe('0300000000000000');
    expect(bytes[88]).toBe(4);
    expect(bytes[136]).toBe(1);
    expect(hex(bytes.subarray(169))).toBe('0800000000000000');
    expect(resultBytes({ ...statement, verdict: 'invalid' })[136]).toBe(2);
    const disputed = resultBytes({ ...statement, disputed: true });
    expect(new TextDecoder().decode(disputed.subarray(0, 16))).toBe('io/disputed/1...');
    expect(hex(disputed.subarray(16))).toBe(hex(bytes.subarray(16)));
  });
  it('are 232 bytes for requests', () => {
    const bytes = requestBytes({
      deployment: statement.deployment,
      recipient: fill(3),
      subject: fill(0),
      action: fill(5),
      body: fill(6),
      atMs: 7_200_000n,
      nonce: 9n,
    });
    expect(bytes.length).toBe(232);
    expect(hex(bytes.subarray(144, 152))).toBe('0200000000000000');
  });
  it('are 171 bytes for what was done', () => {
    const { deployment, job, createdSlot } = statement;
    const did = { deployment, job, createdSlot, verdict: fill(5), audited: true, reputationBps: 258 };
    const bytes = auditBytes({ ...did, checkedSteps: 7n, totalSteps: 8n });
    expect(new TextDecoder().decode(bytes.subarray(0, 16))).toBe('io/audit/1......');
    expect([bytes[80], bytes[112], bytes[120]]).toEqual([4, 5, 5]);
    expect(hex(bytes.subarray(152))).toBe('01020107000000000000000800000000000000');
    expect(() => auditBytes({ ...did, reputationBps: 65_536, checkedSteps: 7n, totalSteps: 8n })).toThrow('16 bits');
  });
  it('are 144 bytes for leases', () => {
    const bytes = leaseBytes({ ...statement, seconds: 60n, at: 258n });
    expect(new TextDecoder().decode(bytes.subarray(0, 16))).toBe('io/lease/1......');
    expect(hex(bytes.subarray(80, 88))).toBe('0300000000000000');
    expect(bytes[88]).toBe(4);
    expect(hex(bytes.subarray(120))).toBe('05000000000000003c000000000000000201000000000000');
  });
  it('know epochs', () => {
    expect(epochOf(-1n)).toBe(0n);
    expect(epochOf(3_600n)).toBe(1n);
  });
});

describe('hashes', () => {
  it('are BLAKE3', () => {
    // Published test vector: the hash of nothing.
    expect(blake3Hex(new Uint8Array())).toBe('af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262');
    const state = hasher();
    const bytes = Uint8Array.from({ length: 5_000 }, (_, i) => i % 251);
    state.update(bytes.subarray(0, 1_234));
    state.update(bytes.subarray(1_234));
    expect(state.hex()).toBe(blake3Hex(bytes));
  });
});

describe('attestations', () => {
  const secret = fill(9);
  const oracle = base58(ed25519.getPublicKey(secret));
  const deployment = { program: fill(1), cluster: fill(2) };
  const submission = {
    job: base58(fill(4)),
    createdSlot: 5n,
    submittedAt: 7_200n,
    outputHash: fill(7),
    units: 8n,
    disputed: false,
  };
  const signed = (units: bigint, disputed = false) =>
    resultBytes({
      deployment,
      setVersion: 3n,
      job: fill(4),
      createdSlot: 5n,
      epoch: 2n,
      verdict: 'valid',
      outputHash: fill(7),
      units,
      disputed,
    });
  const attestation = (signature: Uint8Array, disputed = false) => ({
    oracle,
    set_version: 3,
    job: submission.job,
    created_slot: 5,
    epoch: 2,
    verdict: 'valid' as const,
    output_hash: hex(fill(7)),
    units: 8,
    disputed,
    signature: base58(signature),
    checked_steps: 1,
    total_steps: 3,
    verify_ms: 1,
    audit: { audited: true, rate_ppm: 600_000, reputation_bps: 9_000 },
    audit_signature: base58(ed25519.sign(done(disputed), secret)),
  });
  const done = (disputed: boolean) =>
    auditBytes({
      deployment,
      job: fill(4),
      createdSlot: 5n,
      verdict: blake3Bytes(signed(8n, disputed)),
      audited: true,
      reputationBps: 9_000,
      checkedSteps: 1n,
      totalSteps: 3n,
    });
  const set = { version: 3n, oracles: [oracle] };
  it('hold when signed over what the chain says', () => {
    const good = attestation(ed25519.sign(signed(8n), secret));
    expect(checkAttestation(good, submission, deployment, set).every((check) => check.ok)).toBe(true);
    expect(checkAttestation(good, submission, deployment, { version: 3n, oracles: [] })[0]?.ok).toBe(false);
  });
  it('are asked for anew when somebody objects', () => {
    const before = attestation(ed25519.sign(signed(8n), secret));
    const about = attestation(ed25519.sign(signed(8n, true), secret), true);
    const disputed = { ...submission, disputed: true };
    expect(checkAttestation(about, disputed, deployment, set).every((check) => check.ok)).toBe(true);
    // Signed, and of no use any more.
    const old = checkAttestation(before, disputed, deployment, set);
    expect(old.filter((check) => !check.ok).map((check) => check.name)).toEqual(['Dispute']);
    // What was said before does not become a word about the dispute, nor the other way round.
    expect(checkAttestation({ ...before, disputed: true }, disputed, deployment, set)[1]?.ok).toBe(false);
    expect(checkAttestation({ ...about, disputed: false }, submission, deployment, set)[1]?.ok).toBe(false);
  });
  it('hold an oracle to what it says that it did', () => {
    const good = attestation(ed25519.sign(signed(8n), secret));
    const work = (said: Partial<typeof good>) =>
      checkAttestation({ ...good, ...said }, submission, deployment, set).find((check) => check.name === 'Work')?.ok;
    expect(work({})).toBe(true);
    for (const changed of [
      { audit: { ...good.audit, audited: false } },
      { audit: { ...good.audit, reputation_bps: 9_001 } },
      { checked_steps: 3 },
      { total_steps: 1 },
      { audit_signature: '' },
      { audit_signature: base58(ed25519.sign(done(true), secret)) },
      { audit_signature: base58(ed25519.sign(done(false), fill(8))) },
      { checked_steps: -1 },
    ]) {
      expect(work(changed)).toBe(false);
    }
  });
  it('are good only when all of it holds, and name what is signed apart from what is only said', () => {
    const good = attestation(ed25519.sign(signed(8n), secret));
    const read = (said: Partial<typeof good>, of = set) => {
      const one = { ...good, ...said };
      return readAttestation(one, checkAttestation(one, submission, deployment, of));
    };
    expect(read({})).toEqual({
      holds: true,
      tone: 'good',
      verdict: 'valid',
      signed: 'ran 1 of 3 steps again',
      unsigned: 'drawn to run it again with a chance of 60 %, took 1 ms',
    });
    // The chance and the time are nobody's signed word: changing them breaks no signature.
    expect(read({ verify_ms: 9, audit: { ...good.audit, rate_ppm: 1_000_000 } }).holds).toBe(true);
    const forged = read({ signature: base58(new Uint8Array(64)) });
    expect(forged).toMatchObject({ holds: false, tone: 'warn', verdict: 'claims valid' });
    expect(read({}, { version: 3n, oracles: [] }).tone).toBe('warn');
    expect(read({ audit_signature: '' })).toMatchObject({ tone: 'warn', signed: null });
    expect(read({ audit_signature: '' }).unsigned).toContain('ran 1 of 3 steps again');
    const form = { audited: false, rate_ppm: 1, reputation_bps: 9_000 };
    expect(read({ audit: form }).unsigned).toContain('looked at its form');
  });
  it('fail for anything else', () => {
    for (const bad of [ed25519.sign(signed(9n), secret), ed25519.sign(signed(8n), fill(8)), new Uint8Array(64)]) {
      expect(checkAttestation(attestation(bad), submission, deployment, set)[1]?.ok).toBe(false);
    }
    expect(verifySignature(fill(0), signed(8n), new Uint8Array(64))).toBe(false);
  });
});
