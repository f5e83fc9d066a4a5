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
  getTransactionEncoder,
  pipe,
  type SignatureBytes,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { describe, expect, it } from 'vitest';
import { ACCEPT_JOB_DISCRIMINATOR, CREATE_JOB_DISCRIMINATOR } from '@/generated/program';
import { PROGRAM } from './accounts';
import { checkSigned } from './signed';

const SECRET = new Uint8Array(32).fill(1);
const at = (byte: number) => getAddressDecoder().decode(new Uint8Array(32).fill(byte));
const payer = getAddressDecoder().decode(ed25519.getPublicKey(SECRET));
const JOB = at(7);

/** A signed transaction of one instruction: its bytes and its name. */
function transaction(programAddress: Address, data: ArrayLike<number>, account = JOB): [Uint8Array, string] {
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
          accounts: [{ address: account, role: AccountRole.WRITABLE }],
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
    const found = checkSigned(...transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR), JOB, 'open', null);
    expect(found).toEqual({ signers: [payer], holds: true, brings: true, succeeded: true });
  });
  it('is no failed one', () => {
    const made = transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR);
    expect(checkSigned(...made, JOB, 'open', { InstructionError: [0n, 'x'] }).succeeded).toBe(false);
    expect(checkSigned(...made, JOB, 'open', undefined).succeeded, 'nobody says how it went').toBe(false);
  });
  it('is none that only names the job', () => {
    const brings = (made: [Uint8Array, string], to = 'open') => {
      const found = checkSigned(...made, JOB, to, null);
      expect(found.holds).toBe(true);
      return found.brings;
    };
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR))).toBe(false);
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR), 'running')).toBe(true);
    expect(brings(transaction(PROGRAM, ACCEPT_JOB_DISCRIMINATOR), 'a state of tomorrow')).toBe(false);
    expect(brings(transaction(PROGRAM, [1, 2, 3]))).toBe(false);
    expect(brings(transaction(at(5), CREATE_JOB_DISCRIMINATOR)), 'another program').toBe(false);
    expect(checkSigned(...transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR, at(8)), JOB, 'open', null)).toMatchObject({
      holds: false,
      brings: false,
    });
  });
  it('has the signature that names it', () => {
    const [bytes] = transaction(PROGRAM, CREATE_JOB_DISCRIMINATOR);
    expect(checkSigned(bytes, 'another', JOB, 'open', null).holds).toBe(false);
  });
});
