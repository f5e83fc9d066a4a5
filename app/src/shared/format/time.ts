/** Times are Unix seconds, durations seconds. */

const seconds = (value: number | bigint) => Number(value);

export function utc(at: number | bigint): string {
  return `${new Date(seconds(at) * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

export function clock(at: number | bigint): string {
  return new Date(seconds(at) * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
}

const STEPS: [number, string][] = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
];

/** The two largest parts: `2 h 5 min`. */
export function duration(value: number): string {
  if (value > 0 && value < 1) return `${Math.max(1, Math.round(value * 1000))} ms`;
  let rest = Math.max(0, Math.round(value));
  const parts: string[] = [];
  for (const [length, name] of STEPS) {
    const n = Math.floor(rest / length);
    if (n > 0 || (parts.length === 0 && length === 1)) parts.push(`${n} ${name}`);
    else if (parts.length > 0) break;
    rest -= n * length;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

export function ago(at: number | bigint, now: number): string {
  const age = now - seconds(at);
  if (age >= 0) return age < 2 ? 'just now' : `${duration(age)} ago`;
  return `in ${duration(-age)}`;
}
