/** What the chain refused, in words. */
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

/** Nobody can say what became of a transaction: what it was for is to be looked at before it is tried again. */
export const unsure = (options?: ErrorOptions) =>
  new SendFailure(
    'nobody can say whether the chain took the transaction',
    'It may be done. In a minute, look whether this page or the wallet shows it; try again only if they do not.',
    { ...options, mayHaveLanded: true },
  );

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

/** What the system program logs when an account is to be made that exists. */
const EXISTS = 'already in use';

/** What an Anchor program logs of its refusal. The generated messages are in no production bundle. */
const SAID = /Error Message: (.+?)\.?$/;
/** An Anchor program's own errors begin here. */
const FIRST_OWN = 6_000;

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
    if (logs.some((line) => line.includes(EXISTS))) {
      return new SendFailure('what it makes is there already', 'An earlier try may have made it: reload to see.', {
        mayHaveLanded: true,
      });
    }
    if (code !== undefined) {
      const number = Number(code);
      if (number === TOKEN_INSUFFICIENT) {
        return new SendFailure(
          'the wallet holds too little of the token, or of SOL',
          'Check the balances, or lower the price.',
        );
      }
      const said = logs.map((line) => SAID.exec(line)?.[1]).findLast((words) => words !== undefined);
      if (said || number >= FIRST_OWN)
        return new SendFailure(
          `the program refused it: ${said ?? `error ${number}`}`,
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
