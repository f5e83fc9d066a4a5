/**
 * What devices were and earned in the newest epochs: by the evidence that the root on chain stands on. Each leaf set names its evidence,
 * and the leaf set before it, by their hashes.
 */
import { queryOptions } from '@tanstack/react-query';
import { bases, download } from '@/shared/api';
import { MAX_BYTES, readLeaves } from './epoch';
import { compute, type LeafSet, merge, readEvidence } from './evidence';
import { bits, SLOTS, slotsOf } from './scores';

/** Epochs that are read: a day, where they last an hour. */
const MOST = 24;

export interface DevicePast {
  /** Slots of all epochs in which a quorum saw it up, and hired. */
  up: number;
  hired: number;
  /** Base units. */
  earned: bigint;
}

export interface Past {
  first: bigint;
  last: bigint;
  /** Published ones between the two, both included. */
  epochs: number;
  slots: number;
  /** By account, hex. */
  devices: Map<string, DevicePast>;
}

/** Adds an epoch, older than those before. */
export function added(past: Past | null, set: LeafSet, before: LeafSet | null, evidence: Uint8Array): Past {
  const { reports, quorum } = readEvidence(evidence);
  const rows = merge(
    reports.map(({ report }) => report),
    quorum,
  );
  const { distribution } = compute(before, set.epoch, rows, set.enterpriseBps);
  const devices = new Map(past?.devices);
  rows.forEach((row, i) => {
    const known = devices.get(row.device) ?? { up: 0, hired: 0, earned: 0n };
    devices.set(row.device, {
      up: known.up + slotsOf(row),
      hired: known.hired + bits(row.hired),
      earned: known.earned + (distribution.earned[i] ?? 0n),
    });
  });
  const epochs = (past?.epochs ?? 0) + 1;
  return { first: set.epoch, last: past?.last ?? set.epoch, epochs, slots: epochs * SLOTS, devices };
}

async function fetchPast(root: string, signal: AbortSignal): Promise<Past | null> {
  let past: Past | null = null;
  let set: LeafSet | null = await readLeaves(root, signal);
  while (set && (past?.epochs ?? 0) < MOST) {
    const { evidence, previous, previousEpoch }: LeafSet = set;
    try {
      const [bytes, before]: [Uint8Array, LeafSet | null] = await Promise.all([
        download(evidence, { bases: bases(), maxBytes: MAX_BYTES, signal }),
        previousEpoch === 0n ? null : readLeaves(previous, signal),
      ]);
      past = added(past, set, before, bytes);
      set = before;
    } catch (error) {
      // Oracles need not keep what is old.
      if (!past || signal.aborted) throw error;
      break;
    }
    // Each takes milliseconds: the page stays smooth between.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return past;
}

/** `root` is the hash of the leaf set on chain, hex; null before the first. */
export const pastQuery = (root: string | null) =>
  queryOptions({
    queryKey: ['rewards', 'past', root],
    enabled: root !== null,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: ({ signal }) => fetchPast(root as string, signal),
  });
