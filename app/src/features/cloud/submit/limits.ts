/** The limits of a module's run, as they are typed. Pure. */
import { count } from '@/shared/format';
import { LIMITS, type WasmLimits } from './spec';

export type LimitTexts = Record<keyof WasmLimits, string>;

export const DEFAULTS: LimitTexts = {
  fuel: '100000000000',
  memory_mib: '256',
  time_limit_s: '600',
  max_output: String(16 << 20),
};

/** Least and most of each. */
const BOUNDS: Record<keyof WasmLimits, [number, number]> = {
  fuel: [1, LIMITS.fuel],
  memory_mib: [1, LIMITS.memoryMib],
  time_limit_s: [1, LIMITS.timeS],
  max_output: [0, LIMITS.output],
};

/** What is wrong with each; the limits when nothing is. */
export function readLimits(texts: LimitTexts): {
  limits: WasmLimits | null;
  errors: Partial<Record<keyof WasmLimits, string>>;
} {
  const limits: WasmLimits = { fuel: 0, memory_mib: 0, time_limit_s: 0, max_output: 0 };
  const errors: Partial<Record<keyof WasmLimits, string>> = {};
  for (const name of Object.keys(BOUNDS) as (keyof WasmLimits)[]) {
    const [least, most] = BOUNDS[name];
    const text = texts[name].trim();
    limits[name] = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(limits[name] >= least && limits[name] <= most))
      errors[name] = `a whole number from ${count(least)} to ${count(most)}`;
  }
  return { limits: Object.keys(errors).length === 0 ? limits : null, errors };
}
