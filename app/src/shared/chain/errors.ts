/** What the chain refused, in words. */
import { getIoNetworkErrorMessage, type IoNetworkError } from '@/generated/program';

/** A transaction that did not do what it was for. Nothing was paid, unless `mayHaveLanded`. */
export class SendFailure extends Error {
  readonly hint: string;
  readonly mayHaveLanded: boolean;
  constructor(message: string, hint: string, options: ErrorOptions & { mayHaveLanded?: boolean } = {}) {
    super(message, options);
    this.hint = hint;
    this.mayHaveLanded = options.mayHaveLanded ?? false;
  }
}

const HINTS: Record<string, [string, string]> = {
  InsufficientFundsForRent: [
    'the wallet has too little SOL for the rent of the new accounts',
    'Send it some SOL; the rent comes back.',
  ],
  InsufficientFundsForFee: ['the wallet has too little SOL for the fee', 'Send it some SOL.'],
  AccountNotFound: ['the wallet has no SOL on this chain', 'Send it some SOL.'],
  BlockhashNotFound: ['the chain moved on before the wallet signed', 'Try again and sign within a minute.'],
  AlreadyProcessed: ['this very transaction has been sent before', 'Look at the list: it may be done already.'],
};

/** The token program's code for too small a balance, and the system program's. */
const TOKEN_INSUFFICIENT = 1;

/** Explains a transaction's error, as simulation and status give it (`{InstructionError: [index, {Custom: code}]}`). */
export function explain(error: unknown, logs: readonly string[] = []): SendFailure {
  if (typeof error === 'string') {
    const [message, hint] = HINTS[error] ?? [`the chain refused it: ${error}`, 'Try again; if it stays, report it.'];
    return new SendFailure(message, hint);
  }
  const object = (error ?? {}) as Record<string, unknown>;
  const instruction = object.InstructionError as [unknown, unknown] | undefined;
  if (instruction) {
    const [, what] = instruction;
    const code = typeof what === 'object' && what !== null ? (what as { Custom?: number | bigint }).Custom : undefined;
    if (code !== undefined) {
      const number = Number(code);
      if (number === TOKEN_INSUFFICIENT) {
        return new SendFailure(
          'the wallet holds too little of the token, or of SOL',
          'Check the balances, or lower the price.',
        );
      }
      const known = getIoNetworkErrorMessage(number as IoNetworkError);
      if (known && number >= 6_000)
        return new SendFailure(
          `the program refused it: ${known}`,
          'Nothing was paid. Reload to see the present state.',
        );
      const log = logs.findLast((line) => line.includes('Error'));
      return new SendFailure(`a program refused it with error ${number}${log ? ` (${log})` : ''}`, 'Nothing was paid.');
    }
    return new SendFailure(`an instruction failed: ${String(what)}`, 'Nothing was paid.');
  }
  const [name] = Object.keys(object);
  const [message, hint] = HINTS[name ?? ''] ?? [`the chain refused it: ${JSON.stringify(error)}`, 'Nothing was paid.'];
  return new SendFailure(message, hint);
}
