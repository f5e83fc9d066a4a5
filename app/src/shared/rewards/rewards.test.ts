import { ed25519 } from '@noble/curves/ed25519.js';
import { getBase58Decoder } from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { assumeConfig } from '@/shared/config';
import { fromHex, hex } from '@/shared/format';
import { blake3Bytes, blake3Hex, keyBytes } from '@/shared/verify';
import { CAP, EMISSION, EPOCHS, emitted, epochEmission, GENESIS, vested } from './emission';
import { checkReports, reportStatement } from './epoch';
import { compute, merge, readEvidence, readLeafSet, sameLeaves } from './evidence';
import { figuresOf } from './history';
import { added } from './past';
import { onDay, scoreBps } from './reputation';
import { type DeviceEpoch, distribute, slotsOf } from './scores';
import { buildTree, hexOfRoot, proofOf, proves, rootOf } from './tree';

/** What three oracles of a local network published for an epoch: two devices of one provider. */
const PROGRAM = '5NeGiwEWmbW5Nn8GvnnpC5tUkn2hNmLccsm4B6uG5SXr';
const ROOT = 'ae88a0fde6b2ae04402f1493f86368e65666905caa5e08b45180c3bdd70ad963';
const TOTAL = 570681149732n;
const LEAVES = '6d479ad9e611a68ba9972999f0c3951ce573fd9f040d45d87fbefc1d15170ce8';
const BEFORE =
  '696f2f6c6561662d7365742f312e2e2e18000000000000001700000000000000302cdeac0a68b3cd9f0f56ff89fabdf721fcb8bc0ece843f634382bf4cfed715c458ecdf691df5d40dd4ac57248c306882b597fd600d1ee0661506c68c3541801c25010000000000000071b96a9a77090000010000006d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c13739063036793932dd8e7f000000';
const SET =
  '696f2f6c6561662d7365742f312e2e2e19000000000000001800000000000000b3aa6afd8536d06b9c5a099bcdb5c5456d434b35a8f0b40f6dc85977effc8a6ab30717d91104555fd193877dfd819757e194f5ca7018c4e131318179c9a12b521c250100000000000000d66cb291dc090000010000006d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c137390630367924493fdf84000000';
const EVIDENCE =
  '696f2f65766964656e63652f312e2e2e190000000000000002030000000e1efe9760fda4aac8d9bccbedca44a5f0b4703a2432d06f98af9f9dab1d56f8a8fc4076292cf54139a2905135a3a81edeeb0a2380883624fb4c849b8ae8e1f3378cb3a5f6bcf765276239f4fd78f57b6960fe02798657b08ca05c8b7241fe09da000000696f2f7265706f72742d646174612f31190000000000000002000000a995c9c699d133bf09e12344dfe33929ade23654bfc0be3f0a69fea2cc5e823e6d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a0000000300000000000000881384104208218410020000000000000000cb9f3c75c37513f5a2a7ac324019a3c593f7cc93f9fbfe5dcd2a8af9fd507d696d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a00000005000000000000008a13841042082184100200000000000000004f6144150eee6494100aaa72de000de6ea60252681e420df6b93c6a5eca4980c4c5da13300e0d329451ff83258121e11f5d07ed2d6c63e081908e43470d82545d69953a315f3fc3ae9eafc3b41a1da3795a9d4566308ae4b42b33c6ab2501206da000000696f2f7265706f72742d646174612f31190000000000000002000000a995c9c699d133bf09e12344dfe33929ade23654bfc0be3f0a69fea2cc5e823e6d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a0000000300000000000000881384104208218410020000000000000000cb9f3c75c37513f5a2a7ac324019a3c593f7cc93f9fbfe5dcd2a8af9fd507d696d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a00000005000000000000008a1384104208218410020000000000000000d27a586af2a6f47ddf4541c41a2eca8b1f8225607774ace32ded05ec7e02d4c1d042e960500fc4a1a28dcc3baf953536ec6cd14d279f8c243c9776b0fd01226b825b72377ddeda99c56da87bfd8e872c4a48095a3feddebfd3274aac3777ab0eda000000696f2f7265706f72742d646174612f31190000000000000002000000a995c9c699d133bf09e12344dfe33929ade23654bfc0be3f0a69fea2cc5e823e6d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a0000000300000000000000881384104208218410020000000000000000cb9f3c75c37513f5a2a7ac324019a3c593f7cc93f9fbfe5dcd2a8af9fd507d696d118965267fe22c2fbc51fe2ecbc623c93a975256f7909415c1373906303679000a00000005000000000000008a1384104208218410020000000000000000';

describe('an epoch that a network published', () => {
  const set = readLeafSet(fromHex(SET));
  const before = readLeafSet(fromHex(BEFORE));
  const evidence = readEvidence(fromHex(EVIDENCE));
  const rows = merge(
    evidence.reports.map(({ report }) => report),
    evidence.quorum,
  );
  it('names its parts by their hashes', () => {
    expect(blake3Hex(fromHex(SET))).toBe(LEAVES);
    expect(blake3Hex(fromHex(BEFORE))).toBe(set.previous);
    expect(blake3Hex(fromHex(EVIDENCE))).toBe(set.evidence);
  });
  it('comes out the same here', () => {
    const computed = compute(before, set.epoch, rows, set.enterpriseBps);
    expect(sameLeaves(computed.leaves, set.leaves)).toBe(true);
    expect(computed.carry).toEqual(set.carry);
  });
  it('comes out otherwise when anything is changed', () => {
    const [first, ...rest] = rows;
    if (!first) throw new Error('no rows');
    const less = { ...first, seen: 1n, hired: 0n };
    expect(compute(before, set.epoch, [less, ...rest], set.enterpriseBps).distribution.earned[0]).not.toBe(
      compute(before, set.epoch, rows, set.enterpriseBps).distribution.earned[0],
    );
    expect(
      merge(
        evidence.reports.slice(0, 1).map(({ report }) => report),
        2,
      ),
    ).toEqual([]);
  });
  it('has the root of the chain, which each leaf is proven against', () => {
    const program = keyBytes(PROGRAM);
    const tree = buildTree(set.leaves, program);
    expect(hexOfRoot(tree)).toBe(ROOT);
    expect(tree.total).toBe(TOTAL);
    const [leaf] = set.leaves;
    if (!leaf) throw new Error('no leaves');
    expect(proves(leaf, 0, proofOf(tree, 0), rootOf(tree), program)).toBe(true);
    expect(proves({ ...leaf, cumulative: leaf.cumulative + 1n }, 0, proofOf(tree, 0), rootOf(tree), program)).toBe(
      false,
    );
  });
  it('adds to what devices were, and earned, before', () => {
    const one = added(null, set, before, fromHex(EVIDENCE));
    expect(one).toMatchObject({ first: 25n, last: 25n, epochs: 1, slots: 60 });
    const earned = [...one.devices.values()].reduce((sum, device) => sum + device.earned, 0n);
    expect(earned).toBe((set.leaves[0]?.cumulative ?? 0n) - (before.leaves[0]?.cumulative ?? 0n));
    const two = added(one, { ...set, epoch: 24n }, { ...before, epoch: 23n }, fromHex(EVIDENCE));
    expect(two).toMatchObject({ first: 24n, last: 25n, epochs: 2, slots: 120 });
    for (const [device, { up }] of one.devices) expect(two.devices.get(device)?.up).toBe(2 * up);
  });
  it('is refused when cut or continued', () => {
    for (const text of [SET, EVIDENCE]) {
      expect(() => (text === SET ? readLeafSet : readEvidence)(fromHex(text.slice(0, -2)))).toThrow();
      expect(() => (text === SET ? readLeafSet : readEvidence)(fromHex(`${text}00`))).toThrow();
    }
  });
});

describe('reports', () => {
  const secrets = [1, 2, 3].map((n) => new Uint8Array(32).fill(n));
  const keys = secrets.map((secret) => ed25519.getPublicKey(secret));
  const oracles = keys.map((key) => getBase58Decoder().decode(key));
  const report = (i: number) => {
    assumeConfig({ cluster: PROGRAM, program: PROGRAM, io_mint: '', oracle: '', peers: [], local: true });
    const bytes = Uint8Array.of(i);
    const statement = reportStatement(7n, blake3Bytes(bytes));
    return {
      oracle: hex(keys[i] as Uint8Array),
      signature: Uint8Array.from(ed25519.sign(statement, secrets[i] as Uint8Array)),
      bytes,
      report: { epoch: 7n, rows: [] },
    };
  };
  const evidence = { epoch: 7n, quorum: 2, reports: [report(0), report(1)] };
  const set = { oracles, quorum: 2, version: 5n };
  it('count when a quorum of the set on chain signed them', () => {
    expect(checkReports(evidence, set, 5n).ok).toBe(true);
    expect(checkReports(evidence, set, null).ok).toBe(true);
    const forged = { ...report(0), bytes: Uint8Array.of(9) };
    expect(checkReports({ ...evidence, reports: [forged, report(1)] }, set, 5n).ok).toBe(false);
    expect(checkReports(evidence, { ...set, quorum: 0 }, 5n).ok).toBe(false);
  });
  it('do not count by the evidence’s own quorum, nor from strangers', () => {
    const alone = { ...evidence, quorum: 1, reports: [report(0)] };
    expect(checkReports(alone, set, 5n).ok).toBe(false);
    expect(checkReports({ ...evidence, quorum: 1 }, set, 5n).ok).toBe(false);
    const others = { ...set, oracles: oracles.slice(1) };
    expect(checkReports(evidence, others, 5n).ok).toBe(false);
    expect(checkReports(evidence, others, null).ok).toBe(false);
  });
  it('of a set that has changed since can not be judged, and say so', () => {
    const check = checkReports(evidence, { ...set, oracles: oracles.slice(1), version: 6n }, 5n);
    expect(check.ok).toBeNull();
    expect(check.detail).toContain('version 5 then, 6 now');
    const forged = { ...report(0), bytes: Uint8Array.of(9) };
    expect(checkReports({ ...evidence, reports: [forged, report(1)] }, { ...set, version: 6n }, 5n).ok).toBe(false);
  });
});

describe('trees', () => {
  it('prove every leaf at its place only', () => {
    const program = new Uint8Array(32).fill(7);
    for (const size of [1, 2, 3, 5, 8]) {
      const leaves = Array.from({ length: size }, (_, i) => ({
        provider: hex(new Uint8Array(32).fill(i + 1)),
        cumulative: BigInt(i + 1),
      }));
      const tree = buildTree(leaves, program);
      leaves.forEach((leaf, i) => {
        const proof = proofOf(tree, i);
        expect(proves(leaf, i, proof, rootOf(tree), program)).toBe(true);
        if (size > 1) expect(proves(leaf, i ^ 1, proof, rootOf(tree), program)).toBe(false);
        expect(proves(leaf, 2 ** proof.length + i, proof, rootOf(tree), program)).toBe(false);
      });
    }
  });
});

describe('emission', () => {
  it('follows the schedule', () => {
    expect(emitted(0)).toBe(0n);
    expect(epochEmission(1)).toBe(456_621_004_566n);
    // docs/token.md, whole IO.
    expect(emitted(8_760) / 100_000_000n).toBe(37_662_980n);
    expect(emitted(87_600) / 100_000_000n).toBe(231_397_635n);
    expect(emitted(EPOCHS)).toBe(EMISSION);
    expect(emitted(EPOCHS + 1)).toBe(EMISSION);
    expect(GENESIS + EMISSION).toBe(CAP);
  });
  it('vests after the cliff, linearly', () => {
    const terms = { total: 1_000n, startAt: 100n, cliffSeconds: 50, linearSeconds: 100 };
    expect([149n, 150n, 175n, 250n, 999n].map((now) => vested(terms, now))).toEqual([0n, 0n, 250n, 1_000n, 1_000n]);
    expect(vested({ ...terms, linearSeconds: 0 }, 150n)).toBe(1_000n);
  });
});

describe('scores', () => {
  const device = (group: number, multiplierE2: number, slots: number): DeviceEpoch => ({
    group,
    multiplierE2,
    topsE2: 1_000,
    normTopsE2: 1_000,
    reputationBps: 10_000,
    seen: (1n << BigInt(slots)) - 1n,
    hired: 0n,
  });
  it('divide an epoch as the example says', () => {
    const paid = distribute([device(1, 1_000, 60), device(1, 3_000, 30), device(0, 125, 60)], 1_000_000n, 9_500, [
      0n,
      0n,
    ]);
    expect(paid.earned).toEqual([380_000n, 570_000n, 50_000n]);
    expect(paid.carry).toEqual([0n, 0n]);
  });
  it('carry over, and pay at most twice a budget', () => {
    const paid = distribute([device(1, 125, 1)], 1_000n, 9_500, [0n, 9_500n]);
    expect(paid.earned).toEqual([1_900n]);
    expect(paid.carry).toEqual([50n, 8_550n]);
  });
  it('count hired time once', () => {
    expect(slotsOf({ ...device(1, 1_000, 10), hired: 0b111n << 9n })).toBe(12);
  });
});

describe('reputation', () => {
  const none = { completed: 0n, failed: 0n, volume: 0n, day: 0n };
  it('begins in the middle, and never falls below the floor', () => {
    expect(scoreBps(none, 0n)).toBe(5_000);
    expect(scoreBps({ ...none, failed: 1_000n << 16n }, 0n)).toBe(1_000);
  });
  it('halves in 90 days', () => {
    expect(onDay({ ...none, completed: 8n << 16n }, 90n).completed).toBe(4n << 16n);
  });
});

describe('history', () => {
  it('gives each epoch what the root before did not have, and nothing where a root is unknown', () => {
    const totals = new Map([
      [1, 10n],
      [2, 25n],
      [4, 70n],
    ]);
    const figures = figuresOf(4, totals);
    expect(figures.map(({ rewarded }) => rewarded)).toEqual([10n, 15n, null, null]);
    expect(figures[0]?.emitted).toBe(epochEmission(1));
    expect(figuresOf(100, totals)).toHaveLength(24);
  });
});
