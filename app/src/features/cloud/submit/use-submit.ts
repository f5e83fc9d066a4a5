import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { sessionSigner, upload } from '@/shared/api';
import { SendFailure, type Step, send } from '@/shared/chain';
import { blake3Hex } from '@/shared/verify';
import type { ConnectedWallet } from '@/shared/wallet';
import { type CreateJob, createJob } from './create';

export interface Upload {
  name: string;
  hash: string;
  content: Blob;
}

export type Phase =
  | { at: 'idle' }
  | { at: 'uploading'; name: string; done: number; total: number }
  | { at: Step }
  | { at: 'failed'; error: unknown }
  | { at: 'done'; job: string };

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

/** Uploads what the job needs, then creates it with one signature. What was uploaded stays uploaded: trying again resumes. */
export function useSubmit() {
  const [phase, setPhase] = useState<Phase>({ at: 'idle' });
  const abort = useRef<AbortController | null>(null);
  const client = useQueryClient();

  async function submit(
    wallet: ConnectedWallet,
    spec: string,
    uploads: Upload[],
    terms: Omit<CreateJob, 'renter' | 'specHash'>,
  ) {
    abort.current?.abort();
    const controller = new AbortController();
    abort.current = controller;
    const { signal } = controller;
    try {
      const specHash = await uploadAll(spec, uploads, signal, setPhase);
      const { address, instruction } = await createJob({ ...terms, renter: wallet.address, specHash });
      await send(wallet, [instruction], { signal, onStep: (at) => setPhase({ at }) });
      await client.invalidateQueries({ queryKey: ['chain', 'list', 'job'] });
      setPhase({ at: 'done', job: address });
      return address as string;
    } catch (error) {
      // A pause of the uploads is no failure; what the wallet or the chain did not do is told.
      if (signal.aborted && !(error instanceof SendFailure)) setPhase({ at: 'idle' });
      else setPhase({ at: 'failed', error });
      return null;
    }
  }
  return { phase, submit, stop: () => abort.current?.abort() };
}
