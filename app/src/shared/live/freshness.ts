/** How old what a page shows may be: as old as the oldest of its parts. Pure. */
import type { LiveStatus } from './stream';

/** A read of the chain that is shown. */
export interface Shown {
  /** When it was read, milliseconds of this machine's clock. */
  at: number;
  /** The stream tells its changes. */
  followed: boolean;
}

/**
 * When all of it was so, milliseconds; null before anything was read. What the stream follows is as new as the oracle's index as long as
 * nothing was missed since it was read; the rest is as old as its reading. A stream that fell silent grows old with what it told last.
 */
export function trueAt({ since, clockAt, indexAgeMs }: LiveStatus, shown: readonly Shown[]): number | null {
  const told = clockAt === null ? null : clockAt - (indexAgeMs ?? 0);
  const times = shown.map(({ at, followed }) =>
    followed && told !== null && since !== null && at >= since ? Math.max(at, told) : at,
  );
  if (told !== null) times.push(told);
  return times.length > 0 ? Math.min(...times) : null;
}
