/** The tree of rewards, as `crates/protocol/src/rewards.rs`: who may have claimed how much, in all. */
import { sha256 } from '@noble/hashes/sha2.js';
import { fromHex, hex, sameBytes } from '@/shared/format';

const MAX_LEVELS = 24;
const DOMAIN = new TextEncoder().encode('io/reward-leaf/1');
const EMPTY = new Uint8Array(32);

/** What a provider (key in hex) earned since genesis, base units. */
export interface Leaf {
  provider: string;
  cumulative: bigint;
}

function join(...parts: ArrayLike<number>[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function leafHash(leaf: Leaf, program: Uint8Array): Uint8Array {
  const amount = new Uint8Array(8);
  new DataView(amount.buffer).setBigUint64(0, leaf.cumulative, true);
  return sha256(join([0], DOMAIN, program, fromHex(leaf.provider), amount));
}

const node = (left: Uint8Array, right: Uint8Array) => sha256(join([1], left, right));

/** Levels from the leaves up; the last holds the root alone. What fills a level up is not kept. */
export interface Tree {
  levels: Uint8Array[][];
  total: bigint;
}

export function buildTree(leaves: readonly Leaf[], program: Uint8Array): Tree {
  if (leaves.length === 0) throw new Error('there are no leaves');
  const levels = [leaves.map((leaf) => leafHash(leaf, program))];
  let empty: Uint8Array = EMPTY;
  for (let below = levels[0]; below && below.length > 1; below = levels.at(-1)) {
    const above: Uint8Array[] = [];
    for (let i = 0; i < below.length; i += 2) above.push(node(below[i] as Uint8Array, below[i + 1] ?? empty));
    empty = node(empty, empty);
    levels.push(above);
  }
  return { levels, total: leaves.reduce((sum, leaf) => sum + leaf.cumulative, 0n) };
}

export const rootOf = (tree: Tree): Uint8Array => tree.levels.at(-1)?.[0] ?? EMPTY;

/** Hashes beside the way from a leaf to the root, from below. */
export function proofOf(tree: Tree, index: number): Uint8Array[] {
  let empty: Uint8Array = EMPTY;
  return tree.levels.slice(0, -1).map((level, depth) => {
    const beside = level[(index >> depth) ^ 1] ?? empty;
    empty = node(empty, empty);
    return beside;
  });
}

/** Whether a proof leads from the leaf at a position to the root. */
export function proves(
  leaf: Leaf,
  index: number,
  proof: readonly Uint8Array[],
  root: ArrayLike<number>,
  program: Uint8Array,
): boolean {
  if (proof.length > MAX_LEVELS || index < 0 || index >= 2 ** proof.length) return false;
  let hash = leafHash(leaf, program);
  proof.forEach((beside, level) => {
    hash = (index >> level) & 1 ? node(beside, hash) : node(hash, beside);
  });
  return sameBytes(hash, root);
}

export const hexOfRoot = (tree: Tree) => hex(rootOf(tree));
