/** An epoch's rewards from public data, each step checked here: signatures, evidence, arithmetic, root. */
import { getBase58Encoder } from '@solana/kit';
import { queryOptions } from '@tanstack/react-query';
import { api, bases, download, type Schemas, takeMaybe } from '@/shared/api';
import { fetchAccount, type Kinds, membersOf, pda } from '@/shared/chain';
import { config } from '@/shared/config';
import { fromHex, hex, plural, sameBytes } from '@/shared/format';
import { blake3Bytes, keyBytes, verifySignature } from '@/shared/verify';
import { addressOf, FormatError } from './bytes';
import {
  type Computed,
  compute,
  type Evidence,
  type LeafSet,
  merge,
  readEvidence,
  readLeafSet,
  sameLeaves,
} from './evidence';
import { buildTree, hexOfRoot, type Tree } from './tree';

/** Largest leaf set or evidence that is read, bytes. */
export const MAX_BYTES = 1 << 28;

const text = (domain: string) => new TextEncoder().encode(domain);
function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
const joined = (...parts: ArrayLike<number>[]) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));
const deployment = () => [keyBytes(config().program), keyBytes(config().cluster)] as const;

/** What an oracle signs about its report, and about a root: `crates/protocol/src/messages.rs`. */
export const reportStatement = (epoch: bigint, report: Uint8Array) =>
  joined(text('io/report/1.....'), ...deployment(), u64(epoch), report);
export const rootStatement = (of: {
  setVersion: bigint;
  epoch: bigint;
  root: Uint8Array;
  total: bigint;
  blob: Uint8Array;
}) =>
  joined(text('io/reward/1.....'), ...deployment(), u64(of.setVersion), u64(of.epoch), of.root, u64(of.total), of.blob);

export interface EpochCheck {
  name: string;
  /** Null where it can not be said any more. */
  ok: boolean | null;
  detail: string;
}

export interface EpochRewards {
  epoch: bigint;
  /** BLAKE3 of the leaf set. */
  hash: string;
  set: LeafSet;
  evidence: Evidence;
  computed: Computed;
  tree: Tree;
  /** The chain has its root at this moment. */
  onChain: boolean;
  /** Oracles of the present set that signed it. */
  signers: string[];
  checks: EpochCheck[];
}

type Signed = NonNullable<Schemas['Rewards']['signed']>;

/** Whether an oracle of the set signed this root. */
export function signedBy(signed: Signed, oracles: readonly string[]): boolean {
  try {
    const statement = rootStatement({
      setVersion: BigInt(signed.set_version),
      epoch: BigInt(signed.epoch),
      root: fromHex(signed.root),
      total: BigInt(signed.total),
      blob: fromHex(signed.leaves),
    });
    const signature = Uint8Array.from(getBase58Encoder().encode(signed.signature));
    return oracles.includes(signed.oracle) && verifySignature(keyBytes(signed.oracle), statement, signature);
  } catch {
    // Not a key, hash or signature: nothing was signed.
    return false;
  }
}

export async function readLeaves(hash: string, signal?: AbortSignal): Promise<LeafSet> {
  return readLeafSet(await download(hash, { bases: bases(), maxBytes: MAX_BYTES, signal }));
}

/** Null when no oracle has a leaf set of it. */
export async function fetchEpoch(epoch: bigint, signal?: AbortSignal): Promise<EpochRewards | null> {
  const [emission, oracleSet] = await Promise.all([
    fetchAccount('emission', await pda.emission(), signal),
    fetchAccount('oracleSet', await pda.oracleSet(), signal),
  ]);
  const oracles = membersOf(oracleSet?.data);
  const answers = await Promise.allSettled(
    bases().map((base) =>
      takeMaybe(api(base).GET('/v1/rewards/{epoch}', { params: { path: { epoch: Number(epoch) } }, signal })),
    ),
  );
  const signed = answers.flatMap((answer) =>
    answer.status === 'fulfilled' && answer.value?.signed ? [answer.value.signed] : [],
  );
  const valid = signed.filter((one) => BigInt(one.epoch) === epoch && signedBy(one, oracles));
  const onChain = emission?.data.rootEpoch === epoch;
  const hash = onChain ? hex(emission?.data.rootBlob as Uint8Array) : valid[0]?.leaves;
  if (!hash) {
    const refused = answers.find((answer) => answer.status === 'rejected');
    if (refused && answers.every((answer) => answer.status === 'rejected')) throw refused.reason;
    return null;
  }
  const mine = valid.filter(({ leaves }) => leaves === hash);
  const signers = [...new Set(mine.map(({ oracle }) => oracle))];
  const set = await readLeaves(hash, signal);
  if (set.epoch !== epoch) throw new FormatError(`the leaf set is of epoch ${set.epoch}, not ${epoch}`);
  const [evidenceBytes, before] = await Promise.all([
    download(set.evidence, { bases: bases(), maxBytes: MAX_BYTES, signal }),
    set.previousEpoch === 0n ? null : readLeaves(set.previous, signal),
  ]);
  const evidence = readEvidence(evidenceBytes);
  const rows = merge(
    evidence.reports.map(({ report }) => report),
    evidence.quorum,
  );
  const computed = compute(before, epoch, rows, set.enterpriseBps);
  const tree = buildTree(set.leaves, keyBytes(config().program));
  const checks = checkEpoch({
    set,
    evidence,
    computed,
    tree,
    onChain,
    signers,
    emission: emission?.data,
    now: { oracles, quorum: oracleSet?.data.quorum ?? 0, version: oracleSet?.data.version ?? 0n },
    versionThen: mine[0] ? BigInt(mine[0].set_version) : null,
  });
  return { epoch, hash, set, evidence, computed, tree, onChain, signers, checks };
}

/** The oracle set as the chain has it now. */
export interface SetNow {
  oracles: readonly string[];
  quorum: number;
  version: bigint;
}

/**
 * Whether a quorum of the chain's oracles reported what the evidence holds. `versionThen` is of the set that the root was signed under,
 * as a present oracle signed it: of a set that has changed since, nobody who left can be told from a stranger.
 */
export function checkReports(evidence: Evidence, now: SetNow, versionThen: bigint | null): EpochCheck {
  const { reports, quorum } = evidence;
  const signed = reports.filter((one) =>
    verifySignature(fromHex(one.oracle), reportStatement(evidence.epoch, blake3Bytes(one.bytes)), one.signature),
  );
  const members = signed.filter(({ oracle }) => now.oracles.includes(addressOf(oracle)));
  const changed = versionThen !== null && versionThen !== now.version;
  const isAll = signed.length === reports.length;
  const isQuorum = members.length === reports.length && members.length >= now.quorum && quorum === now.quorum;
  const counts = `${signed.length} of ${reports.length} carry their oracle’s signature, ${members.length} of oracles in the set on chain`;
  const rule = `it asked for ${quorum}, the chain asks for ${now.quorum}`;
  const since = changed
    ? `. The set has changed since (version ${versionThen} then, ${now.version} now): who was in it is not on chain any more`
    : '';
  return {
    name: 'Reports',
    ok: isAll && now.quorum > 0 && (isQuorum || (changed ? null : false)),
    detail: `${counts}; ${rule}${since}`,
  };
}

function checkEpoch(of: {
  set: LeafSet;
  evidence: Evidence;
  computed: Computed;
  tree: Tree;
  onChain: boolean;
  signers: string[];
  emission: Kinds['emission'] | undefined;
  now: SetNow;
  versionThen: bigint | null;
}): EpochCheck[] {
  const { set, evidence, computed, tree, now } = of;
  const follows =
    sameLeaves(computed.leaves, set.leaves) && computed.carry[0] === set.carry[0] && computed.carry[1] === set.carry[1];
  const root: EpochCheck = of.onChain
    ? {
        name: 'Root',
        ok: sameBytes(tree.levels.at(-1)?.[0] ?? [], of.emission?.root ?? []) && tree.total === of.emission?.rootTotal,
        detail: `SHA-256 over ${plural(set.leaves.length, 'leaf', 'leaves')}, compared with the chain’s ${hexOfRoot(tree).slice(0, 12)}…`,
      }
    : {
        name: 'Root',
        ok: of.signers.length >= now.quorum && now.quorum > 0,
        detail: `signed by ${of.signers.length} oracles of the set on chain, ${now.quorum} are a quorum; the chain has a newer root`,
      };
  return [
    root,
    checkReports(evidence, now, of.versionThen),
    {
      name: 'Arithmetic',
      ok: follows,
      detail: follows
        ? 'amounts and carry-over computed again here are those of the leaf set'
        : 'the leaf set does not follow from its evidence: the oracles that signed it were wrong',
    },
  ];
}

export const epochQuery = (epoch: bigint | null) =>
  queryOptions({
    queryKey: ['rewards', 'epoch', epoch?.toString()],
    enabled: epoch !== null && epoch > 0n,
    queryFn: ({ signal }) => fetchEpoch(epoch as bigint, signal),
    // What was found never changes but for whether the chain still has it; what was not found may come.
    staleTime: 60_000,
    refetchInterval: (query) => (query.state.data === null ? 10_000 : false),
  });
