import type { Address } from '@solana/kit';
import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';
import { sessionSigner, upload } from '@/shared/api';
import { requireDeployment, SendFailure, type Step, send } from '@/shared/chain';
import { hex } from '@/shared/format';
import { chainNow } from '@/shared/live';
import { blake3Hex } from '@/shared/verify';
import type { ConnectedWallet } from '@/shared/wallet';
import { forget, landed, nonceOf } from './attempt';
import { type CreateJob, createJob } from './create';

export interface Upload {
  name: string;
  hash: string;
  content: Blob;
}

export type Phase =
  | { at: 'idle' }
  | { at: 'checking' }
  | { at: 'uploading'; name: string; done: number; total: number }
  | { at: Step }
  | { at: 'failed'; error: unknown }
  | { at: 'done'; job: string };

export const isBusy = ({ at }: Phase) => at !== 'idle' && at !== 'failed' && at !== 'done';

/** Uploads a spec and what it names; what is there already is not sent again. Returns the spec's hash. */
export async function uploadAll(
  spec: string,
  uploads: readonly Upload[],
  signal: AbortSignal,
  onPhase: (phase: Phase) => void,
): Promise<string> {
  const signer = await sessionSigner();
  const bytes = new TextEncoder().encode(spec);
  const specHash = blake3Hex(bytes);
  for (const { name, hash, content } of [
    ...uploads,
    { name: 'job description', hash: specHash, content: new Blob([bytes]) },
  ]) {
    onPhase({ at: 'uploading', name, done: 0, total: content.size });
    await upload(hash, content, {
      signer,
      signal,
      onProgress: (done, total) => onPhase({ at: 'uploading', name, done, total }),
    });
  }
  return specHash;
}

export interface Terms extends Omit<CreateJob, 'renter' | 'nonce' | 'specHash' | 'deadline'> {
  /** The deadline, seconds from when it is signed. */
  within: number;
}

/** The same for whoever creates a job: what to look at, and that another try is safe. */
function inWords(error: unknown): unknown {
  if (!(error instanceof SendFailure) || !error.mayHaveLanded) return error;
  return new SendFailure(
    error.message,
    'Look at My jobs first: it may be there. Another try pays for no second one, since it keeps the first one’s address.',
    { cause: error, mayHaveLanded: true },
  );
}

export interface Submitting {
  phase: Phase;
  /** The job's address; null when it came to nothing, or the page was left. */
  submit: (wallet: ConnectedWallet, spec: string, uploads: readonly Upload[], terms: Terms) => Promise<string | null>;
  stop: () => void;
}

/**
 * Uploads what the job needs, then creates it with one signature. What was uploaded stays uploaded: trying again resumes. It ends with
 * the page, unless it is sent already.
 */
export function useSubmit(): Submitting {
  const [phase, setPhase] = useState<Phase>({ at: 'idle' });
  const abort = useRef<AbortController | null>(null);
  const client = useQueryClient();
  const stop = useCallback(() => abort.current?.abort(), []);
  useEffect(() => stop, [stop]);

  async function submit(wallet: ConnectedWallet, spec: string, uploads: readonly Upload[], terms: Terms) {
    stop();
    const controller = new AbortController();
    abort.current = controller;
    const { signal } = controller;
    const renter = wallet.address as Address;
    const done = (job: Address) => {
      forget(renter);
      if (signal.aborted) return null;
      setPhase({ at: 'done', job });
      return job;
    };
    setPhase({ at: 'checking' });
    try {
      await requireDeployment();
      const earlier = await landed(renter, signal);
      if (earlier) {
        if (hex(earlier.data.specHash) === blake3Hex(new TextEncoder().encode(spec))) return done(earlier.address);
        forget(renter);
      }
      const specHash = await uploadAll(spec, uploads, signal, setPhase);
      const { within, ...rest } = terms;
      const nonce = await nonceOf(renter);
      const deadline = BigInt(Math.floor(chainNow()) + within);
      const { address, instruction } = await createJob({ ...rest, renter, nonce, specHash, deadline });
      await send(wallet, [instruction], { signal, onStep: (at) => setPhase({ at }) });
      await client.invalidateQueries({ queryKey: ['chain', 'list', 'job'] });
      return done(address);
    } catch (error) {
      // A pause of the uploads is no failure; what the wallet or the chain did not do is told.
      if (signal.aborted && !(error instanceof SendFailure)) setPhase({ at: 'idle' });
      else setPhase({ at: 'failed', error: inWords(error) });
      return null;
    }
  }
  return { phase, submit, stop };
}
