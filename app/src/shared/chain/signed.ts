/** A transaction's own signatures, checked here: that a node shows it proves nothing. */
import {
  type Address,
  getBase58Decoder,
  getBase58Encoder,
  getBase64Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type Signature,
} from '@solana/kit';
import { queryOptions } from '@tanstack/react-query';
import { IoNetworkInstruction, identifyIoNetworkInstruction } from '@/generated/program';
import { keyBytes, verifySignature } from '@/shared/verify';
import { PROGRAM } from './accounts';
import { rpc } from './rpc';

export interface SignedTransaction {
  /** Who signed it, the payer of its fee first. */
  signers: string[];
  /** It has the signature that names it, every signature in it holds, and so may the account be: it is named, or `looksUp`. */
  holds: boolean;
  /** The account is not among those that were signed, but some are taken out of lookup tables: which, only the node says. */
  looksUp: boolean;
  /** An instruction of it brings the account to the state: its own, or one that a program which it calls made. */
  brings: boolean;
  /** That program, where it is not the network's own. Its instruction is signed; what it called then, the node says. */
  through: string | null;
  /** A node says that it went through. */
  succeeded: boolean;
}

interface InnerInstruction {
  programIdIndex: number;
  accounts: readonly number[];
  /** Base58. */
  data: string;
}

/** What a node says of a transaction, beside its bytes: nobody signed that. */
export interface Outcome {
  err: unknown;
  /** By the number of the instruction that they ran inside. */
  innerInstructions?: readonly { index: number; instructions: readonly InnerInstruction[] }[] | null;
}

/** What brings a job to a state, by the API's names of them; and what a lease's steps are, by theirs. */
const BRINGING: Record<string, readonly IoNetworkInstruction[]> = {
  open: [IoNetworkInstruction.CreateJob],
  running: [IoNetworkInstruction.AcceptJob],
  submitted: [IoNetworkInstruction.SubmitResult],
  disputed: [IoNetworkInstruction.DisputeJob],
  settled: [IoNetworkInstruction.SettleJob, IoNetworkInstruction.FinishLease],
  rejected: [IoNetworkInstruction.RejectJob],
  cancelled: [IoNetworkInstruction.CancelJob],
  expired: [IoNetworkInstruction.ExpireJob, IoNetworkInstruction.FinishLease],
  extended: [IoNetworkInstruction.ExtendJob],
  attested: [IoNetworkInstruction.CheckpointJob],
};

function isOneOf(kinds: readonly IoNetworkInstruction[], data: Uint8Array): boolean {
  try {
    return kinds.includes(identifyIoNetworkInstruction(data));
  } catch {
    // An instruction that this build does not know.
    return false;
  }
}

/** `bytes` and `outcome` as a node returns them; `to` is the job's state that it is said to have brought. */
export function checkSigned(
  bytes: Uint8Array,
  signature: string,
  account: string,
  to: string,
  outcome: Outcome | null,
): SignedTransaction {
  const { messageBytes, signatures } = getTransactionDecoder().decode(bytes);
  const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const signers = Object.keys(signatures);
  const first = signatures[signers[0] as Address];
  // Accounts out of lookup tables come after these in the numbering, and nobody signed what they are.
  const keys: readonly string[] = message.staticAccounts;
  const named = keys.includes(account);
  const looksUp = !named && 'addressTableLookups' in message && (message.addressTableLookups?.length ?? 0) > 0;
  const holds =
    first != null &&
    getBase58Decoder().decode(first) === signature &&
    (named || looksUp) &&
    Object.entries(signatures).every(
      ([key, made]) =>
        made !== null && verifySignature(keyBytes(key), Uint8Array.from(messageBytes), Uint8Array.from(made)),
    );
  const outer = 'instructions' in message ? message.instructions : [];
  const isIt = (program: number, accounts: readonly number[], data: Uint8Array) =>
    keys[program] === PROGRAM && accounts.some((index) => keys[index] === account) && isOneOf(BRINGING[to] ?? [], data);
  const own = outer.some(({ programAddressIndex, accountIndices, data }) =>
    isIt(programAddressIndex, accountIndices ?? [], Uint8Array.from(data ?? [])),
  );
  const inside = own
    ? undefined
    : outcome?.innerInstructions?.find(({ instructions }) =>
        instructions.some(({ programIdIndex, accounts, data }) =>
          isIt(programIdIndex, accounts, Uint8Array.from(getBase58Encoder().encode(data))),
        ),
      );
  // What runs inside of none of its instructions, or of one that does not name the account, is not what was signed.
  const calling = inside && outer[inside.index];
  const signedFor = calling?.accountIndices?.some((index) => keys[index] === account);
  const caller = signedFor ? keys[calling?.programAddressIndex ?? -1] : undefined;
  return {
    signers,
    holds,
    looksUp,
    brings: own || caller !== undefined,
    through: caller ?? null,
    succeeded: outcome?.err === null,
  };
}

/** Null when the node does not have it any more. */
export const signedQuery = (signature: string, account: string, to: string) =>
  queryOptions({
    queryKey: ['chain', 'signed', signature, account, to],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<SignedTransaction | null> => {
      const answer = await rpc()
        .getTransaction(signature as Signature, {
          encoding: 'base64',
          commitment: 'confirmed',
          maxSupportedTransactionVersion: 0,
        })
        .send({ abortSignal: signal });
      if (!answer) return null;
      const bytes = Uint8Array.from(getBase64Encoder().encode(answer.transaction[0]));
      return checkSigned(bytes, signature, account, to, answer.meta);
    },
  });
