/** The machine that is to be registered, as the link says that `io worker run` prints on it. Pure. */
import { type Address, isAddress } from '@solana/kit';
import { NOBODY } from '@/shared/chain';
import { exact, fromHex, IO, parseAmount } from '@/shared/format';

export interface Machine {
  /** SHA-256 of the hardware's id. */
  hardware: Uint8Array;
  operator: Address;
}

/** What is wrong with either is said; nothing of what is still missing. */
export function machineOf(
  hardware: string,
  operator: string,
): { machine: Machine | null; errors: { hardware: string | null; operator: string | null } } {
  const goodHardware = /^[0-9a-f]{64}$/.test(hardware);
  const goodOperator = isAddress(operator) && operator !== NOBODY;
  return {
    machine: goodHardware && goodOperator ? { hardware: fromHex(hardware), operator } : null,
    errors: {
      hardware: goodHardware || hardware === '' ? null : '64 digits from 0 to 9 and a to f',
      operator: goodOperator || operator === '' ? null : 'an address',
    },
  };
}

/** The bond that was typed, base units; the least when nothing was. */
export function bondOf(text: string, least: bigint): { bond: bigint | null; error: string | null } {
  if (text.trim() === '') return { bond: least, error: null };
  try {
    const bond = parseAmount(text, IO);
    return bond < least ? { bond: null, error: `${exact(least, IO)} at least` } : { bond, error: null };
  } catch (failure) {
    return { bond: null, error: (failure as Error).message };
  }
}
