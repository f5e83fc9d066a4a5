/** Amounts are base units in a `bigint`; text comes from exact integer arithmetic, never from a float. */

export interface Unit {
  symbol: string;
  /** Null until it is known: before, no amount is written. */
  decimals: number | null;
}

export const IO: Unit = { symbol: 'IO', decimals: 8 };
export const SOL: Unit = { symbol: 'SOL', decimals: 9 };

/** An amount whose unit is not known yet. */
const UNKNOWN = '…';

const GROUP = /\B(?=(\d{3})+(?!\d))/g;
const group = (digits: string) => digits.replace(GROUP, ',');

function split(base: bigint, decimals: number): [sign: string, whole: string, fraction: string] {
  const sign = base < 0n ? '−' : '';
  const digits = (base < 0n ? -base : base).toString().padStart(decimals + 1, '0');
  return [sign, digits.slice(0, digits.length - decimals), digits.slice(digits.length - decimals)];
}

/** All digits that are there: `1,234.5 IO`. */
export function exact(base: bigint, unit: Unit): string {
  if (unit.decimals === null) return UNKNOWN;
  const [sign, whole, fraction] = split(base, unit.decimals);
  const rest = fraction.replace(/0+$/, '');
  return `${sign}${group(whole)}${rest ? `.${rest}` : ''} ${unit.symbol}`;
}

/** Digits enough to read: at least two decimals, or the first two that count of a small amount. Cut, never rounded up. */
export function short(base: bigint, unit: Unit): string {
  if (unit.decimals === null) return UNKNOWN;
  const [sign, whole, fraction] = split(base, unit.decimals);
  const firstDigit = fraction.search(/[1-9]/);
  let keep = 2;
  if (whole === '0' && firstDigit >= 0) keep = Math.min(unit.decimals, firstDigit + 2);
  else if (whole.length >= 5) keep = 0;
  const shown = fraction.slice(0, keep).replace(/0+$/, '');
  return `${sign}${group(whole)}${shown ? `.${shown}` : ''} ${unit.symbol}`;
}

export class AmountError extends Error {}

/** Commas that can only group thousands: two, or one before a decimal point. Any other may be a decimal point, as in some countries. */
const GROUPED = /^\d{1,3}(,\d{3}){2,}$|^\d{1,3}(,\d{3})+\.\d*$/;

/** What somebody typed, as base units. */
export function parseAmount(text: string, unit: Unit): bigint {
  if (unit.decimals === null) throw new AmountError('how this token is counted is still being read');
  let clean = text.trim().replace(/[\s_]/g, '');
  if (GROUPED.test(clean)) clean = clean.replaceAll(',', '');
  if (/^\d{1,3},\d{3}$/.test(clean))
    throw new AmountError(
      `“${clean}” can be read in two ways: write ${clean.replace(',', '')} or ${clean.replace(',', '.')}`,
    );
  const match = /^(\d*)(?:\.(\d*))?$/.exec(clean);
  if (!match || (!match[1] && !match[2])) throw new AmountError(`expected an amount like 1.5, got “${text.trim()}”`);
  const fraction = match[2] ?? '';
  if (fraction.length > unit.decimals) throw new AmountError(`${unit.symbol} has ${unit.decimals} decimals at most`);
  const base = BigInt((match[1] || '0') + fraction.padEnd(unit.decimals, '0'));
  if (base > 0xffff_ffff_ffff_ffffn) throw new AmountError('that is more than any amount can be');
  return base;
}

export function count(value: number | bigint): string {
  return group(value.toString());
}
