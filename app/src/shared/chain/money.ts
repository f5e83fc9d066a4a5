/** Money as the program reckons it (`crates/protocol/src/money.rs`): base units, prices for 1,000 units, named rounding. */

const BPS = 10_000n;
const UNITS_PER_PRICE = 1_000n;
const MOST = 0xffff_ffff_ffff_ffffn;

const ceil = (dividend: bigint, divisor: bigint) => (dividend + divisor - 1n) / divisor;

export function paymentCeil(units: bigint, price: bigint): bigint {
  return ceil(units * price, UNITS_PER_PRICE);
}
export function paymentFloor(units: bigint, price: bigint): bigint {
  return (units * price) / UNITS_PER_PRICE;
}
export function feeCeil(amount: bigint, bps: number): bigint {
  return ceil(amount * BigInt(bps), BPS);
}

export interface FeeTerms {
  reserveBps: number;
  paymentBps: number;
}

/** What a job escrows: the most it can cost. Null when no amount can hold it. */
export function escrowFor(maxUnits: bigint, maxPrice: bigint, fees: FeeTerms): bigint | null {
  const most = paymentCeil(maxUnits, maxPrice);
  const escrow = most + feeCeil(most, fees.reserveBps + fees.paymentBps);
  return escrow <= MOST ? escrow : null;
}

/** The highest price of 1,000 units at which all of it costs no more than `total`; 0 when none does. */
export function highestPrice(units: bigint, total: bigint, fees: FeeTerms): bigint {
  let [low, high] = [0n, MOST];
  while (low < high) {
    const middle = low + (high - low + 1n) / 2n;
    const escrow = escrowFor(units, middle, fees);
    if (escrow !== null && escrow <= total) low = middle;
    else high = middle - 1n;
  }
  return low;
}

/** What settlement pays to whom (`split_settlement`). */
export function settlement(balance: bigint, units: bigint, ask: bigint, fees: FeeTerms & { providerBps: number }) {
  const payment = paymentFloor(units, ask);
  const renterFee = feeCeil(payment, fees.reserveBps + fees.paymentBps);
  const reserve = feeCeil(payment, fees.providerBps);
  const providerFee = reserve < payment ? reserve : payment;
  return { provider: payment - providerFee, treasury: renterFee + providerFee, payer: balance - payment - renterFee };
}
