/** A transaction's own signatures, checked here: that a node shows it proves nothing. */
import {
  type Address,
  getBase58Decoder,
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
  /** It has the signature that names it, every signature in it holds, and it names the account. */
  holds: boolean;
  /** An instruction of its own brings the account to the state; one inside another program's is not read. */
  brings: boolean;
  /** A node says that it went through. */
  succeeded: boolean;
}

/** What brings a job to a state, by the API's names of them. */
const BRINGING: Record<string, readonly IoNetworkInstruction[]> = {
  open: [IoNetworkInstruction.CreateJob],
  running: [IoNetworkInstruction.AcceptJob],
  submitted: [IoNetworkInstruction.SubmitResult],
  disputed: [IoNetworkInstruction.DisputeJob],
  settled: [IoNetworkInstruction.SettleJob, IoNetworkInstruction.FinishLease],
  rejected: [IoNetworkInstruction.RejectJob],
  cancelled: [IoNetworkInstruction.CancelJob],
  expired: [IoNetworkInstruction.ExpireJob, IoNetworkInstruction.FinishLease],
};

function isOneOf(kinds: readonly IoNetworkInstruction[], data: Uint8Array): boolean {
  try {
    return kinds.includes(identifyIoNetworkInstruction(data));
  } catch {
    // An instruction that this build does not know.
    return false;
  }
}

/** `bytes` and `err` as a node returns them; `to` is the job's state that it is said to have brought. */
export function checkSigned(
  bytes: Uint8Array,
  signature: string,
  account: string,
  to: string,
  err: unknown,
): SignedTransaction {
  const { messageBytes, signatures } = getTransactionDecoder().decode(bytes);
  const message = getCompiledTransactionMessageDecoder().decode(messageBytes);
  const signers = Object.keys(signatures);
  const first = signatures[signers[0] as Address];
  const holds =
    first != null &&
    getBase58Decoder().decode(first) === signature &&
    message.staticAccounts.includes(account as Address) &&
    Object.entries(signatures).every(
      ([key, made]) =>
        made !== null && verifySignature(keyBytes(key), Uint8Array.from(messageBytes), Uint8Array.from(made)),
    );
  const brings =
    'instructions' in message &&
    message.instructions.some(
      ({ programAddressIndex, accountIndices, data }) =>
        message.staticAccounts[programAddressIndex] === PROGRAM &&
        (accountIndices ?? []).some((index) => message.staticAccounts[index] === account) &&
        isOneOf(BRINGING[to] ?? [], Uint8Array.from(data ?? [])),
    );
  return { signers, holds, brings, succeeded: err === null };
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
      return checkSigned(bytes, signature, account, to, answer.meta?.err);
    },
  });
