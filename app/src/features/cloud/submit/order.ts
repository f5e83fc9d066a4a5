/** What a job costs at most, out of a quote and what the renter limits it to. Pure. */
import type { Quote } from '@/shared/api';
import { escrowFor, highestPrice } from '@/shared/chain';
import { AmountError, exact, parseAmount, type Unit } from '@/shared/format';

export interface Price {
  /** The most for 1,000 units. */
  maxPrice: bigint;
  /** The most in all, fees included. */
  escrow?: bigint;
  /** The same when the renter names no limit. */
  suggested?: bigint;
  error: string | null;
  /** The least that a device asks for 1,000 units, where the price is below it: none takes the job at that. */
  least: bigint | null;
}

/** `limit` as it was typed; `cap` is the most for 1,000 units that the address names, for when nothing was. */
export function priceOf(units: bigint, quote: Quote, limit: string, unit: Unit, cap: bigint | null): Price {
  const fees = { reserveBps: quote.reserve_bps, paymentBps: quote.payment_bps };
  const median = quote.ask_median ? BigInt(quote.ask_median) || 1n : null;
  const each = cap !== null && (median === null || cap < median) ? cap : median;
  const suggested = each === null ? undefined : (escrowFor(units, each, fees) ?? undefined);
  const none = { maxPrice: 0n, suggested, least: null };
  if (limit.trim() === '') {
    const least = quote.ask_min && each !== null && each < BigInt(quote.ask_min) ? BigInt(quote.ask_min) : null;
    return { maxPrice: each ?? 0n, escrow: suggested, suggested, error: null, least };
  }
  try {
    const total = parseAmount(limit, unit);
    const maxPrice = highestPrice(units, total, fees);
    if (maxPrice === 0n) return { ...none, error: 'that pays for no work at any price' };
    if (quote.total && BigInt(quote.total) > total)
      return { ...none, maxPrice, error: `the cheapest device asks ${exact(BigInt(quote.total), unit)}` };
    return { ...none, maxPrice, escrow: escrowFor(units, maxPrice, fees) ?? undefined, error: null };
  } catch (error) {
    if (!(error instanceof AmountError)) throw error;
    return { ...none, error: error.message };
  }
}
