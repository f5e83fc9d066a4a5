/** Keys, hashes, sizes, shares and places as text. */
import { count } from './amount';

export function shorten(text: string, head = 4, tail = 4): string {
  return text.length <= head + tail + 1 ? text : `${text.slice(0, head)}…${text.slice(-tail)}`;
}

export function hex(bytes: Iterable<number>): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/.test(text))
    throw new Error(`expected lower-case hex, got “${text.slice(0, 80)}”`);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function sameBytes(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function isZero(bytes: ArrayLike<number>): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
export function size(bytes: number | bigint): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < SIZES.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 100 || unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${SIZES[unit]}`;
}

/** A link's pace as it was attested; none was shown where it is 0. */
export function pace(mbit: number): string {
  return mbit === 0 ? 'none shown' : `${count(mbit)} Mbit/s`;
}

/** An attested round trip; 0 before it was measured. */
export function latency(ms: number): string {
  return ms === 0 ? 'not measured' : `${count(ms)} ms`;
}

/** Basis points as percent. */
export function percent(bps: number): string {
  return `${(bps / 100).toFixed(bps % 100 === 0 ? 0 : 2)} %`;
}

export function plural(value: number | bigint, one: string, many = `${one}s`): string {
  return `${value.toString()} ${BigInt(value) === 1n ? one : many}`;
}

/** Two letters packed big-endian; empty when unknown. */
export function region(packed: number): string {
  return packed === 0 ? '' : String.fromCharCode(packed >> 8, packed & 255);
}
export function packRegion(text: string): number {
  if (text === '') return 0;
  if (!/^[A-Za-z]{2}$/.test(text)) throw new Error('a region is two letters, like DE');
  const upper = text.toUpperCase();
  return (upper.charCodeAt(0) << 8) | upper.charCodeAt(1);
}
const REGIONS = typeof Intl === 'undefined' ? null : new Intl.DisplayNames(['en'], { type: 'region' });
export function regionName(code: string | null | undefined): string {
  if (!code) return 'unknown';
  try {
    return REGIONS?.of(code) ?? code;
  } catch {
    return code;
  }
}

/** UTF-8, padded with zeroes. */
export function paddedText(bytes: ArrayLike<number>): string {
  const array = Uint8Array.from(bytes);
  const end = array.indexOf(0);
  return new TextDecoder().decode(end < 0 ? array : array.subarray(0, end));
}
