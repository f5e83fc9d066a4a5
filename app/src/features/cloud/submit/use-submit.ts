import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { sessionSigner, upload } from '@/shared/api';
import { type Step, send } from '@/shared/chain';
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
      const signer = await sessionSigner();
      const bytes = new TextEncoder().encode(spec);
      const specHash = blake3Hex(bytes);
      for (const { name, hash, content } of [
        ...uploads,
        { name: 'job description', hash: specHash, content: new Blob([bytes]) },
      ]) {
        setPhase({ at: 'uploading', name, done: 0, total: content.size });
        await upload(hash, content, {
          signer,
          signal,
          onProgress: (done, total) => setPhase({ at: 'uploading', name, done, total }),
        });
      }
      const { address, instruction } = await createJob({ ...terms, renter: wallet.address, specHash });
      await send(wallet, [instruction], { signal, onStep: (at) => setPhase({ at }) });
      await client.invalidateQueries({ queryKey: ['chain', 'list', 'job'] });
      setPhase({ at: 'done', job: address });
      return address as string;
    } catch (error) {
      if (signal.aborted) setPhase({ at: 'idle' });
      else setPhase({ at: 'failed', error });
      return null;
    }
  }
  return { phase, submit, stop: () => abort.current?.abort() };
}
