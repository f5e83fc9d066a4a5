/** Specs as `crates/engines/src/spec.rs` writes them: JSON without white space, fields in the order of its structs. */
import { count } from '@/shared/format';

export interface BlobRef {
  hash: string;
  size: number;
}

export type Format = 'lines' | 'jsonl';

/** sentence-transformers/all-MiniLM-L6-v2, which workers and oracles have (`crates/engines/src/models.rs`). */
const MODEL = {
  config: { hash: '02ba870d29dc00b373fe71bd273baca30586d6577def4130456e756c7b286890', size: 612 },
  tokenizer: { hash: '82483bb4f0bdb81779f295ecc5a93285d2156834e994a2169f9800e4c8f250c1', size: 466_247 },
  weights: { hash: '8087e9bf97c265f8435ed268733ecf3791825ad24850fd5d84d89e32ee3a589a', size: 90_868_376 },
};

const ref = ({ hash, size }: BlobRef): BlobRef => ({ hash, size });

export function embedSpec(input: BlobRef, format: Format): string {
  const embed = { model: MODEL, format, pooling: 'mean', max_tokens: 256 };
  return JSON.stringify({ version: 1, input: ref(input), engine: { embed } });
}

export interface WasmLimits {
  fuel: number;
  memory_mib: number;
  time_limit_s: number;
  max_output: number;
}

export function wasmSpec(input: BlobRef, module: BlobRef, limits: WasmLimits): string {
  const { fuel, memory_mib, time_limit_s, max_output } = limits;
  const wasm = { module: ref(module), fuel, memory_mib, time_limit_s, max_output };
  return JSON.stringify({ version: 1, input: ref(input), engine: { wasm } });
}

/** One unit of a WebAssembly job is 10⁶ fuel, rounded up. */
export function unitsForFuel(fuel: number): bigint {
  return (BigInt(fuel) + 999_999n) / 1_000_000n;
}

/** Time that a task has on its device, seconds, unless its own limit needs more. */
export const RUN_SECONDS = 1_800;

/** The same for a module that may run for so long: a quarter is for storing and submitting, as the command line leaves it. */
export const runFor = (limit: number) => Math.max(RUN_SECONDS, Math.ceil((limit * 4) / 3));

const UNITS = {
  embed: ['passage', 'passages'],
  wasm: ['million fuel', 'million fuel'],
  lease: ['second', 'seconds'],
} as const;

/** An amount of work in words. */
export function unitsText(engine: keyof typeof UNITS, units: bigint): string {
  return `${count(units)} ${UNITS[engine][units === 1n ? 0 : 1]}`;
}

/** Shortest and longest lease, seconds (`crates/protocol/src/lease.rs`, docs/leases.md). */
export const MIN_LEASE_SECONDS = 60;
export const MAX_LEASE_SECONDS = 30 * 86_400;

/** Limits of `crates/engines/src/limits.rs`. */
export const LIMITS = {
  input: 256 << 20,
  module: 16 << 20,
  fuel: 1_000_000_000_000_000,
  memoryMib: 4_096,
  timeS: 86_400,
  output: 256 << 20,
  passages: 1_000_000,
  line: 64 << 10,
  id: 256,
};
