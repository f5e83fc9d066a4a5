/** What an epoch's rewards are computed from, and what comes of it: formats and arithmetic of `crates/protocol/src/evidence.rs`. */
import { ascending, FormatError, Reader } from './bytes';
import { emitted, epochEmission } from './emission';
import { budgets, type DeviceEpoch, type Distribution, distribute, type PerGroup } from './scores';
import type { Leaf } from './tree';

const MAX_DEVICES = 1_000_000;
const MAX_REPORTS = 32;
const MAX_LEAVES = 1 << 24;
const ROW = 95;

export interface Row extends DeviceEpoch {
  /** Accounts, hex. */
  device: string;
  provider: string;
}

export interface Report {
  epoch: bigint;
  rows: Row[];
}

export function readReport(bytes: Uint8Array): Report {
  const r = new Reader(bytes);
  r.magic('io/report-data/1');
  const epoch = r.u64();
  const count = r.count(MAX_DEVICES);
  if (bytes.length !== 28 + count * ROW) throw new FormatError(`${count} devices do not fit ${bytes.length} bytes`);
  const rows = Array.from({ length: count }, (): Row => {
    const row = {
      device: r.hex32(),
      provider: r.hex32(),
      group: r.u8(),
      multiplierE2: r.u32(),
      topsE2: r.u32(),
      normTopsE2: r.u32(),
      reputationBps: r.u16(),
      seen: r.u64(),
      hired: r.u64(),
    };
    if (row.group > 1) throw new FormatError(`there is no group ${row.group}`);
    return row;
  });
  r.end();
  ascending(rows, (row) => row.device);
  return { epoch, rows };
}

export interface SignedReport {
  /** Key, hex. */
  oracle: string;
  signature: Uint8Array<ArrayBuffer>;
  bytes: Uint8Array<ArrayBuffer>;
  report: Report;
}

export interface Evidence {
  epoch: bigint;
  quorum: number;
  reports: SignedReport[];
}

export function readEvidence(bytes: Uint8Array): Evidence {
  const r = new Reader(bytes);
  r.magic('io/evidence/1...');
  const epoch = r.u64();
  const quorum = r.u8();
  const reports = Array.from({ length: r.count(MAX_REPORTS) }, (): SignedReport => {
    const [oracle, signature] = [r.hex32(), r.take(64)];
    const part = r.take(r.u32());
    const report = readReport(part);
    if (report.epoch !== epoch) throw new FormatError(`a report is of epoch ${report.epoch}, the evidence of ${epoch}`);
    return { oracle, signature, bytes: part, report };
  });
  r.end();
  ascending(reports, ({ oracle }) => oracle);
  if (quorum === 0 || quorum > reports.length) throw new FormatError(`${reports.length} reports, quorum ${quorum}`);
  return { epoch, quorum, reports };
}

export interface LeafSet {
  epoch: bigint;
  previousEpoch: bigint;
  /** BLAKE3 of the leaf set before, zero for none; and of the evidence. */
  previous: string;
  evidence: string;
  enterpriseBps: number;
  carry: PerGroup;
  leaves: Leaf[];
}

export function readLeafSet(bytes: Uint8Array): LeafSet {
  const r = new Reader(bytes);
  r.magic('io/leaf-set/1...');
  const set = {
    epoch: r.u64(),
    previousEpoch: r.u64(),
    previous: r.hex32(),
    evidence: r.hex32(),
    enterpriseBps: r.u16(),
    carry: [r.u64(), r.u64()] as PerGroup,
  };
  const leaves = Array.from(
    { length: r.count(MAX_LEAVES) },
    (): Leaf => ({ provider: r.hex32(), cumulative: r.u64() }),
  );
  r.end();
  ascending(leaves, ({ provider }) => provider);
  return { ...set, leaves };
}

function lowerMedian(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor((values.length - 1) / 2)] ?? 0;
}

function agreed(masks: readonly bigint[], quorum: number): bigint {
  let all = 0n;
  for (let slot = 0n; slot < 64n; slot++) {
    const votes = masks.filter((mask) => (mask >> slot) & 1n).length;
    if (votes >= quorum) all |= 1n << slot;
  }
  return all;
}

/** One row a device out of several reports: what a quorum saw; figures are the lower median. */
export function merge(reports: readonly Report[], quorum: number): Row[] {
  const same = new Map<string, Row[]>();
  for (const row of reports.flatMap(({ rows }) => rows)) {
    const key = `${row.device}${row.provider}${row.group}`;
    const rows = same.get(key);
    if (rows) rows.push(row);
    else same.set(key, [row]);
  }
  const merged: Row[] = [];
  for (const key of [...same.keys()].sort()) {
    const rows = same.get(key) ?? [];
    const [first] = rows;
    if (!first || rows.length < quorum || merged.at(-1)?.device === first.device) continue;
    const of = (field: 'multiplierE2' | 'topsE2' | 'normTopsE2' | 'reputationBps') =>
      lowerMedian(rows.map((row) => row[field]));
    merged.push({
      ...first,
      multiplierE2: of('multiplierE2'),
      topsE2: of('topsE2'),
      normTopsE2: of('normTopsE2'),
      reputationBps: of('reputationBps'),
      seen: agreed(
        rows.map((row) => row.seen),
        quorum,
      ),
      hired: agreed(
        rows.map((row) => row.hired),
        quorum,
      ),
    });
  }
  return merged;
}

export interface Computed {
  rows: Row[];
  /** What each row earned, base units. */
  distribution: Distribution;
  carry: PerGroup;
  leaves: Leaf[];
}

/** The leaf set of an epoch, computed from what a quorum saw and the leaf set before. */
export function compute(before: LeafSet | null, epoch: bigint, rows: Row[], enterpriseBps: number): Computed {
  const since = before?.epoch ?? 0n;
  if (epoch <= since) throw new FormatError(`epoch ${epoch} is not after ${since}`);
  const skipped = budgets(emitted(Number(epoch) - 1) - emitted(Number(since)), enterpriseBps);
  const carried: PerGroup = [(before?.carry[0] ?? 0n) + skipped[0], (before?.carry[1] ?? 0n) + skipped[1]];
  const distribution = distribute(rows, epochEmission(Number(epoch)), enterpriseBps, carried);
  const sums = new Map((before?.leaves ?? []).map((leaf) => [leaf.provider, leaf.cumulative]));
  rows.forEach((row, i) => {
    const amount = distribution.earned[i] ?? 0n;
    if (amount > 0n) sums.set(row.provider, (sums.get(row.provider) ?? 0n) + amount);
  });
  const leaves = [...sums]
    .map(([provider, cumulative]) => ({ provider, cumulative }))
    .sort((a, b) => (a.provider < b.provider ? -1 : 1));
  return { rows, distribution, carry: distribution.carry, leaves };
}

export function sameLeaves(a: readonly Leaf[], b: readonly Leaf[]): boolean {
  return (
    a.length === b.length &&
    a.every((leaf, i) => leaf.provider === b[i]?.provider && leaf.cumulative === b[i]?.cumulative)
  );
}
