import type { Tone } from '@/shared/ui';

/** States and causes of a slash case by their numbers on chain. */
export const SLASH_STATES = ['open', 'appealed', 'upheld', 'returned'] as const;
export type SlashStateName = (typeof SLASH_STATES)[number];
export const slashState = (state: number): SlashStateName => SLASH_STATES[state] ?? 'open';
/** A cause that the program itself has found: silence forgives it not. */
export const WRONG_CELL = 3;

export const slashCause = (cause: number) =>
  cause === 1
    ? 'let a deadline pass'
    : cause === 2
      ? 'result rejected'
      : cause === WRONG_CELL
        ? 'wrong hardware proof'
        : `cause ${cause}`;
export const SLASH_TONES: Record<SlashStateName, Tone> = {
  open: 'warn',
  appealed: 'info',
  upheld: 'bad',
  returned: 'good',
};
