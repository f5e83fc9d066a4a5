/** Reads the little-endian formats of rewards (`crates/protocol/src/evidence.rs`). Keys and hashes are lower-case hex: they sort as bytes do. */
import { getBase58Decoder } from '@solana/kit';
import { fromHex, hex } from '@/shared/format';
import { keyBytes } from '@/shared/verify';

export class FormatError extends Error {
  readonly hint = 'It has the hash that was asked for: this app and the network are of different versions. Reload.';
}

export class Reader {
  private readonly view: DataView;
  private at = 0;
  private readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  take(n: number): Uint8Array<ArrayBuffer> {
    if (this.at + n > this.bytes.length) throw new FormatError(`ends after ${this.bytes.length} bytes, too early`);
    const part = Uint8Array.from(this.bytes.subarray(this.at, this.at + n));
    this.at += n;
    return part;
  }
  private skip(n: number): number {
    const at = this.at;
    if (at + n > this.bytes.length) throw new FormatError(`ends after ${this.bytes.length} bytes, too early`);
    this.at += n;
    return at;
  }
  magic(text: string) {
    const found = new TextDecoder().decode(this.take(text.length));
    if (found !== text) throw new FormatError(`expected “${text}” at its beginning`);
  }
  hex32 = () => hex(this.take(32));
  u8 = () => this.view.getUint8(this.skip(1));
  u16 = () => this.view.getUint16(this.skip(2), true);
  u32 = () => this.view.getUint32(this.skip(4), true);
  u64 = () => this.view.getBigUint64(this.skip(8), true);
  count(most: number): number {
    const count = this.u32();
    if (count > most) throw new FormatError(`${count} entries, ${most} at most`);
    return count;
  }
  end() {
    if (this.at !== this.bytes.length)
      throw new FormatError(`goes on ${this.bytes.length - this.at} bytes after its end`);
  }
}

export function ascending<T>(entries: readonly T[], key: (entry: T) => string) {
  for (let i = 1; i < entries.length; i++) {
    if (key(entries[i - 1] as T) >= key(entries[i] as T))
      throw new FormatError('entries are not in ascending order, each once');
  }
}

/** A key of 32 bytes in hex, as an address. */
export const addressOf = (key: string) => getBase58Decoder().decode(fromHex(key));
/** An address as hex. */
export const hexOf = (address: string) => hex(keyBytes(address));
