import { ed25519 } from '@noble/curves/ed25519.js';
import {
  AccountRole,
  type Address,
  appendTransactionMessageInstruction,
  type Blockhash,
  compileTransaction,
  createTransactionMessage,
  getAddressDecoder,
  getBase58Decoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  getTransactionEncoder,
  pipe,
  type SignatureBytes,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { ACCEPT_JOB_DISCRIMINATOR, CREATE_JOB_DISCRIMINATOR } from '@/generated/program';
import { PROGRAM } from './accounts';
import { checkSigned, type Outcome, type SignedTransaction } from './signed';

const SECRET = new Uint8Array(32).fill(1);
const at = (byte: number) => getAddressDecoder().decode(new Uint8Array(32).fill(byte));
const payer = getAddressDecoder().decode(ed25519.getPublicKey(SECRET));
const JOB = at(7);
const WENT: Outcome = { err: null };

/** A signed transaction of one instruction: its bytes and its name. */
function transaction(programAddress: Address, data: ArrayLike<number>, ...accounts: Address[]): [Uint8Array, string] {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (made) => setTransactionMessageFeePayer(payer, made),
    (made) =>
      setTransactionMessageLifetimeUsingBlockhash(
        { blockhash: at(9) as string as Blockhash, lastValidBlockHeight: 1n },
        made,
      ),
    (made) =>
      appendTransactionMessageInstruction(
        {
          programAddress,
          accounts: (accounts.length > 0 ? accounts : [JOB]).map((address) => ({
            address,
            role: AccountRole.WRITABLE,
          })),
          data: Uint8Array.from(data),
        },
        made,
      ),
  );
  const compiled = compileTransaction(message);
  const signature = ed25519.sign(Uint8Array.from(compiled.messageBytes), SECRET) as SignatureBytes;
  const bytes = getTransactionEncoder().encode({ ...compiled, signatures: { [payer]: signature } } as never);
  return [Uint8Array.from(bytes), getBase58Decoder().decode(signature)];
}

describe('the transaction that brought a state', () => {
  it('is signed, went through, and has the instruction for it', () => {
    const found = checkSigned(...transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR), JOB, 'open', WENT);
    expect(found).toEqual({
      signers: [payer],
      holds: true,
      looksUp: false,
      brings: true,
      through: null,
      succeeded: true,
    });
  });
  it('is no failed one', () => {
    const made = transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR);
    expect(checkSigned(...made, JOB, 'open', { err: { InstructionError: [0n, 'x'] } }).succeeded).toBe(false);
    expect(checkSigned(...made, JOB, 'open', null).succeeded, 'nobody says how it went').toBe(false);
  });
  it('is none that only names the job', () => {
    const brings = (made: [Uint8Array, string], to = 'open') => {
      const found = checkSigned(...made, JOB, to, WENT);
      expect(found.holds).toBe(true);
      return found.brings;
    };
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR))).toBe(false);
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR), 'running')).toBe(true);
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR), 'a state of tomorrow')).toBe(false);
    expect(brings(transaction(PROGRAM, [1, 2, 3]))).toBe(false);
    expect(brings(transaction(at(5), CREATE_JOB_DISCRIMINATOR)), 'another program').toBe(false);
    expect(checkSigned(...transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR, at(8)), JOB, 'open', WENT)).toMatchObject({
      holds: false,
      brings: false,
    });
  });
  it('has the signature that names it', () => {
    const [bytes] = transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR);
    expect(checkSigned(bytes, 'another', JOB, 'open', WENT).holds).toBe(false);
  });
});

describe('what a program called', () => {
  const DESK = at(5);
  interface Call {
    program?: Address;
    accounts?: Address[];
    data?: ArrayLike<number>;
    index?: number;
  }
  /** What a node says of a transaction in which something was called. */
  function outcome(bytes: Uint8Array, call: Call): Outcome {
    const message = getCompiledTransactionMessageDecoder().decode(getTransactionDecoder().decode(bytes).messageBytes);
    const keys = message.staticAccounts;
    const number = (key: Address) => keys.indexOf(key);
    const inner = {
      programIdIndex: number(call.program ?? PROGRAM),
      accounts: (call.accounts ?? [JOB]).map(number),
      data: getBase58Decoder().decode(Uint8Array.from(call.data ?? CREATE_JOB_DISCRIMINATOR)),
    };
    return { err: null, innerInstructions: [{ index: call.index ?? 0, instructions: [inner] }] };
  }
  const made = transaction(DESK, [1, 2, 3], JOB, PROGRAM);
  const check = (call: Call, to = 'open') => checkSigned(...made, JOB, to, outcome(made[0], call));

  it('brings the state, and whose instruction it ran in is said', () => {
    expect(check({ accounts: [payer, JOB] })).toEqual({
      signers: [payer],
      holds: true,
      looksUp: false,
      brings: true,
      through: DESK,
      succeeded: true,
    });
  });
  it('is read for this job, this state and this transaction only', () => {
    const found: [why: string, SignedTransaction][] = [
      ['nothing was called', checkSigned(...made, JOB, 'open', WENT)],
      ['another state', check({}, 'running')],
      ['another job', check({ accounts: [payer] })],
      ['another program', check({ program: DESK })],
      ['another instruction', check({ data: ACCEPT_JOB_DISCRIMINATOR })],
      ['inside an instruction that there is not', check({ index: 1 })],
    ];
    for (const [why, one] of found) expect(one, why).toMatchObject({ holds: true, brings: false, through: null });
  });
  it('rests on nothing that only a node says: not on an account that was not signed', () => {
    const called = transaction(DESK, [1, 2, 3], at(6), PROGRAM);
    const said = outcome(called[0], { accounts: [payer] });
    // A node that lies says that the call was for this job.
    const lie = { ...said, loadedAddresses: { writable: [JOB], readonly: [] } };
    expect(checkSigned(...called, JOB, 'open', lie)).toMatchObject({ holds: false, brings: false, through: null });
  });
});
