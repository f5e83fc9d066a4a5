/**
 * The statements that oracles and wallets sign, byte for byte as `crates/protocol/src/messages.rs` has them: a 16-byte domain, then
 * fields in a fixed order, integers little-endian.
 */

export interface Deployment {
  program: Uint8Array;
  cluster: Uint8Array;
}

class Writer {
  private readonly view: DataView;
  private at = 0;
  readonly bytes: Uint8Array<ArrayBuffer>;
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
  }
  domain(text: string) {
    const bytes = new TextEncoder().encode(text);
    if (bytes.length !== 16) throw new Error(`a domain has 16 bytes, “${text}” has ${bytes.length}`);
    return this.put(bytes);
  }
  put(part: ArrayLike<number>) {
    this.bytes.set(part, this.at);
    this.at += part.length;
    return this;
  }
  key(part: ArrayLike<number>) {
    if (part.length !== 32) throw new Error(`a key or hash has 32 bytes, this has ${part.length}`);
    return this.put(part);
  }
  u8(value: number) {
    this.view.setUint8(this.at, value);
    this.at += 1;
    return this;
  }
  u16(value: number) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff) throw new Error(`${value} does not fit 16 bits`);
    this.view.setUint16(this.at, value, true);
    this.at += 2;
    return this;
  }
  u64(value: bigint) {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn) throw new Error(`${value} does not fit 64 bits`);
    this.view.setBigUint64(this.at, value, true);
    this.at += 8;
    return this;
  }
  done() {
    if (this.at !== this.bytes.length) throw new Error(`wrote ${this.at} of ${this.bytes.length} bytes`);
    return this.bytes;
  }
}

export const EPOCH_SECONDS = 3_600n;

/** Hours since 1970; times before count as epoch 0. */
export function epochOf(unixSeconds: bigint): bigint {
  return unixSeconds < 0n ? 0n : unixSeconds / EPOCH_SECONDS;
}

export interface ResultStatement {
  deployment: Deployment;
  setVersion: bigint;
  job: Uint8Array;
  createdSlot: bigint;
  epoch: bigint;
  verdict: 'valid' | 'invalid';
  outputHash: Uint8Array;
  units: bigint;
  /** Said about the dispute over the result: then under another domain, for what was said before it counts no more. */
  disputed: boolean;
}

export const RESULT_LENGTH = 177;

export function resultBytes(statement: ResultStatement): Uint8Array<ArrayBuffer> {
  return new Writer(RESULT_LENGTH)
    .domain(statement.disputed ? 'io/disputed/1...' : 'io/result/1.....')
    .key(statement.deployment.program)
    .key(statement.deployment.cluster)
    .u64(statement.setVersion)
    .key(statement.job)
    .u64(statement.createdSlot)
    .u64(statement.epoch)
    .u8(statement.verdict === 'valid' ? 1 : 2)
    .key(statement.outputHash)
    .u64(statement.units)
    .done();
}

/** What an oracle did before it signed a verdict. */
export interface AuditStatement {
  deployment: Deployment;
  job: Uint8Array;
  createdSlot: bigint;
  /** BLAKE3 of the verdict's statement. */
  verdict: Uint8Array;
  /** It ran steps again; else it looked at the form only. */
  audited: boolean;
  /** Of the device, basis points. */
  reputationBps: number;
  checkedSteps: bigint;
  totalSteps: bigint;
}

export function auditBytes(statement: AuditStatement): Uint8Array<ArrayBuffer> {
  return new Writer(171)
    .domain('io/audit/1......')
    .key(statement.deployment.program)
    .key(statement.deployment.cluster)
    .key(statement.job)
    .u64(statement.createdSlot)
    .key(statement.verdict)
    .u8(statement.audited ? 1 : 0)
    .u16(statement.reputationBps)
    .u64(statement.checkedSteps)
    .u64(statement.totalSteps)
    .done();
}

/** An oracle's statement about a lease: up to `at`, the device served for `seconds` (`crates/protocol/src/lease.rs`). */
export interface LeaseStatement {
  deployment: Deployment;
  setVersion: bigint;
  job: Uint8Array;
  createdSlot: bigint;
  seconds: bigint;
  /** Unix seconds. */
  at: bigint;
}

export function leaseBytes(statement: LeaseStatement): Uint8Array<ArrayBuffer> {
  return new Writer(144)
    .domain('io/lease/1......')
    .key(statement.deployment.program)
    .key(statement.deployment.cluster)
    .u64(statement.setVersion)
    .key(statement.job)
    .u64(statement.createdSlot)
    .u64(statement.seconds)
    .u64(statement.at)
    .done();
}

export interface RequestStatement {
  deployment: Deployment;
  /** Key of the oracle that is asked. */
  recipient: Uint8Array;
  /** A job or a device, or zeroes. */
  subject: Uint8Array;
  /** BLAKE3 of `METHOD path?query`. */
  action: Uint8Array;
  /** BLAKE3 of the body. */
  body: Uint8Array;
  atMs: bigint;
  nonce: bigint;
}

export function requestBytes(statement: RequestStatement): Uint8Array<ArrayBuffer> {
  return new Writer(232)
    .domain('io/request/1....')
    .key(statement.deployment.program)
    .key(statement.deployment.cluster)
    .key(statement.recipient)
    .key(statement.subject)
    .u64(epochOf(statement.atMs / 1_000n))
    .key(statement.action)
    .key(statement.body)
    .u64(statement.atMs)
    .u64(statement.nonce)
    .done();
}
