import {
  AccountRole,
  type Address,
  address,
  appendTransactionMessageInstructions,
  type Blockhash,
  compileTransaction,
  createTransactionMessage,
  getTransactionEncoder,
  type Instruction,
  pipe,
  setTransactionMessageFeePayer,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { describe, expect, it } from 'vitest';
import {
  getCheckpointJobInstructionDataEncoder,
  getExtendJobInstructionDataEncoder,
  SUBMIT_RESULT_DISCRIMINATOR,
} from '@/generated/program';
import { NOBODY, PROGRAM } from './accounts';
import { stepsOf } from './steps';

const JOB = address('SysvarC1ock11111111111111111111111111111111');
const PAYER = address('SysvarRent111111111111111111111111111111111');
const ANOTHER_PROGRAM = address('SysvarS1otHashes111111111111111111111111111');
const OTHER = address('4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T');

const call = (data: ArrayLike<number>, job: Address = JOB, programAddress: Address = PROGRAM): Instruction => ({
  programAddress,
  accounts: [{ address: job, role: AccountRole.WRITABLE }],
  data: Uint8Array.from(data),
});

function transaction(...instructions: Instruction[]): Uint8Array {
  const message = pipe(
    createTransactionMessage({ version: 0 }),
    (made) => setTransactionMessageFeePayer(PAYER, made),
    (made) =>
      setTransactionMessageLifetimeUsingBlockhash({ blockhash: NOBODY as Blockhash, lastValidBlockHeight: 1n }, made),
    (made) => appendTransactionMessageInstructions(instructions, made),
  );
  return Uint8Array.from(getTransactionEncoder().encode(compileTransaction(message)));
}

const extend = getExtendJobInstructionDataEncoder().encode({ createdSlot: 1, seconds: 600, maxAmount: 7, index: 2 });
const checkpoint = getCheckpointJobInstructionDataEncoder().encode({ seconds: 61, at: 1_000 });

describe('what happened to a lease', () => {
  it('is read out of the instructions that name it', () => {
    expect(stepsOf(transaction(call(extend), call(checkpoint)), JOB)).toEqual([
      { kind: 'extended', seconds: 600n, most: 7n },
      { kind: 'attested', seconds: 61n, at: 1_000n },
    ]);
  });
  it('is nothing else', () => {
    const others = transaction(
      call(extend, OTHER),
      call(checkpoint, JOB, ANOTHER_PROGRAM),
      call([...SUBMIT_RESULT_DISCRIMINATOR, 1]),
      call([1, 2, 3]),
    );
    expect(stepsOf(others, JOB)).toEqual([]);
  });
});
