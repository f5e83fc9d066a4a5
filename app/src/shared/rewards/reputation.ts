/** Reputation, exactly as `crates/protocol/src/reputation.rs`. */

import { least } from './scores';

const ONE = 1n << 16n;
const DAY_FACTOR = 4_262_016_076n;
const HALF_LIFE_DAYS = 90n;
const VOLUME_UNIT = 100_000_000n;

export interface Standing {
  completed: bigint;
  failed: bigint;
  volume: bigint;
  day: bigint;
}

const scale = (value: bigint, factor: bigint) => (value * factor) >> 32n;

function factorOf(days: bigint): bigint {
  if (days >= 64n * HALF_LIFE_DAYS) return 0n;
  let [result, power, rest] = [1n << 32n, DAY_FACTOR, days % HALF_LIFE_DAYS];
  for (; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = scale(result, power);
    power = scale(power, power);
  }
  return result >> (days / HALF_LIFE_DAYS);
}

export function onDay(record: Standing, day: bigint): Standing {
  if (day <= record.day) return record;
  const factor = factorOf(day - record.day);
  return {
    completed: scale(record.completed, factor),
    failed: scale(record.failed, factor),
    volume: scale(record.volume, factor),
    day,
  };
}

/** Both records as one: a device's, and its provider's of devices that were retired. */
export function together(a: Standing, b: Standing): Standing {
  const day = a.day > b.day ? a.day : b.day;
  const [x, y] = [onDay(a, day), onDay(b, day)];
  return { completed: x.completed + y.completed, failed: x.failed + y.failed, volume: x.volume + y.volume, day };
}

function worth(volume: bigint): bigint {
  const x = ((volume / VOLUME_UNIT) << 16n) + ((volume % VOLUME_UNIT) << 16n) / VOLUME_UNIT + ONE;
  const whole = BigInt(x.toString(2).length - 1) - 16n;
  return 4n * ((whole << 16n) + (x >> whole) - ONE);
}

/** The score at a time, basis points. */
export function scoreBps(record: Standing, unixSeconds: bigint): number {
  const now = onDay(record, unixSeconds < 0n ? 0n : unixSeconds / 86_400n);
  const vouched = worth(now.volume);
  const good = least(now.completed, vouched);
  const bad = now.failed * 4n;
  const score = ((good + 4n * ONE) * 10_000n) / (good + bad + 8n * ONE);
  return Math.max(1_000, Number(score));
}
