/** What a text may be the id of. Pure. */

export type Guess =
  | { kind: 'epoch'; epoch: string }
  | { kind: 'transaction'; signature: string }
  | { kind: 'address'; address: string }
  | { kind: 'hash'; hash: string }
  | { kind: 'nothing' };

const BASE58 = /^[1-9A-HJ-NP-Za-km-z]+$/;
const MAX_EPOCH_DIGITS = 7;

export function guess(text: string): Guess {
  const clean = text.trim().replace(/^epoch\s+/i, '');
  if (/^\d+$/.test(clean) && clean.length <= MAX_EPOCH_DIGITS) return { kind: 'epoch', epoch: String(Number(clean)) };
  if (/^[0-9a-f]{64}$/i.test(clean)) return { kind: 'hash', hash: clean.toLowerCase() };
  if (BASE58.test(clean)) {
    if (clean.length >= 86 && clean.length <= 88) return { kind: 'transaction', signature: clean };
    if (clean.length >= 32 && clean.length <= 44) return { kind: 'address', address: clean };
  }
  return { kind: 'nothing' };
}
