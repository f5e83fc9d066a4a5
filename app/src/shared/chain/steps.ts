/** A lease's extensions and checkpoints: its account has their sum only, so they are read out of its newest transactions. */
import {
  address,
  getBase64Encoder,
  getCompiledTransactionMessageDecoder,
  getTransactionDecoder,
  type Signature,
} from '@solana/kit';
import { queryOptions } from '@tanstack/react-query';
import {
  getCheckpointJobInstructionDataDecoder,
  getExtendJobInstructionDataDecoder,
  IoNetworkInstruction,
  identifyIoNetworkInstruction,
} from '@/generated/program';
import { PROGRAM } from './accounts';
import { rpc } from './rpc';

/** Newest transactions of a lease that are read, and how many at once. */
const MOST = 24;
const AT_ONCE = 6;
const AGAIN_MS = 60_000;

export type LeaseStep =
  /** So many seconds more, for at most so much. */
  | { kind: 'extended'; seconds: bigint; most: bigint }
  /** So many seconds attested in all, counted up to a time. */
  | { kind: 'attested'; seconds: bigint; at: bigint };

export type DatedStep = LeaseStep & { signature: string; time: bigint };

/** What a transaction's own instructions did to a lease. */
export function stepsOf(bytes: Uint8Array, job: string): LeaseStep[] {
  const message = getCompiledTransactionMessageDecoder().decode(getTransactionDecoder().decode(bytes).messageBytes);
  if (!('instructions' in message)) return [];
  const keys: readonly string[] = message.staticAccounts;
  return message.instructions.flatMap(({ programAddressIndex, accountIndices, data }): LeaseStep[] => {
    if (keys[programAddressIndex] !== PROGRAM || !data || !accountIndices?.some((index) => keys[index] === job))
      return [];
    let kind: IoNetworkInstruction;
    try {
      kind = identifyIoNetworkInstruction(data);
    } catch {
      // An instruction that this build does not know.
      return [];
    }
    if (kind === IoNetworkInstruction.ExtendJob) {
      const { seconds, maxAmount } = getExtendJobInstructionDataDecoder().decode(data);
      return [{ kind: 'extended', seconds, most: maxAmount }];
    }
    if (kind !== IoNetworkInstruction.CheckpointJob) return [];
    const { seconds, at } = getCheckpointJobInstructionDataDecoder().decode(data);
    return [{ kind: 'attested', seconds, at }];
  });
}

/** Oldest first; `whole` is false where some were not read, older ones or such as the node does not give out. `version` is any text that changes with the lease. */
export const leaseStepsQuery = (job: string, version: string) =>
  queryOptions({
    queryKey: ['chain', 'steps', job, version],
    queryFn: async ({ signal, client }): Promise<{ steps: DatedStep[]; whole: boolean }> => {
      const all = await rpc()
        .getSignaturesForAddress(address(job), { limit: MOST, commitment: 'confirmed' })
        .send({ abortSignal: signal });
      const read = (signature: Signature) =>
        client.fetchQuery({
          queryKey: ['steps', signature, job],
          staleTime: Number.POSITIVE_INFINITY,
          queryFn: async () => {
            const answer = await rpc()
              .getTransaction(signature, {
                encoding: 'base64',
                commitment: 'confirmed',
                maxSupportedTransactionVersion: 0,
              })
              .send({ abortSignal: signal });
            if (!answer) throw new Error('the node does not have the transaction yet');
            return stepsOf(Uint8Array.from(getBase64Encoder().encode(answer.transaction[0])), job);
          },
        });
      const good = all.filter(({ err }) => err === null).reverse();
      const steps: DatedStep[] = [];
      let whole = all.length < MOST;
      for (let from = 0; from < good.length; from += AT_ONCE) {
        const part = good.slice(from, from + AT_ONCE);
        const found = await Promise.allSettled(part.map(({ signature }) => read(signature)));
        part.forEach(({ signature, blockTime }, i) => {
          const answer = found[i];
          if (answer?.status !== 'fulfilled') {
            whole = false;
            return;
          }
          for (const step of answer.value) {
            const time = blockTime ?? (step.kind === 'attested' ? step.at : 0n);
            steps.push({ ...step, signature, time: BigInt(time) });
          }
        });
      }
      return { steps, whole };
    },
    placeholderData: (before, query) => (query?.queryKey[2] === job ? before : undefined),
    refetchInterval: AGAIN_MS,
  });
