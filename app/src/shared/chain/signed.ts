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
import { keyBytes, verifySignature } from '@/shared/verify';
import { rpc } from './rpc';

export interface SignedTransaction {
  /** Who signed it, the payer of its fee first. */
  signers: string[];
  /** It has the signature that names it, every signature in it holds, and it names the account. */
  holds: boolean;
}

/** `bytes` as a node returns them. */
export function checkSigned(bytes: Uint8Array, signature: string, account: string): SignedTransaction {
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
  return { signers, holds };
}

/** Null when the node does not have it any more. */
export const signedQuery = (signature: string, account: string) =>
  queryOptions({
    queryKey: ['chain', 'signed', signature, account],
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
      return checkSigned(Uint8Array.from(getBase64Encoder().encode(answer.transaction[0])), signature, account);
    },
  });
