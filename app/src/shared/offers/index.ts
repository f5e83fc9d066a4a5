/** What devices ask, made comparable. Pure. */

const UNITS_PER_PRICE = 1_000n;
const HOUR = 3_600;

/** What an hour of work costs at an ask (base units for 1,000 units) and a speed (units a second), base units. */
export function hourOf(ask: bigint, speed: number): bigint {
  return (ask * BigInt(Math.max(0, Math.floor(speed * HOUR) || 0))) / UNITS_PER_PRICE;
}

/** How a price stands to a guide, whole percent: −20 is a fifth below it. Null without a guide. */
export function againstGuide(price: bigint, guide: bigint): number | null {
  return guide > 0n ? Number((price * 1_000n) / guide - 1_000n) / 10 : null;
}
