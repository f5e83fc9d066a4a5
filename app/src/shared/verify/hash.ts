import { blake3 } from '@noble/hashes/blake3.js';
import { hex } from '@/shared/format';

export function blake3Bytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(blake3(bytes));
}

export function blake3Hex(bytes: Uint8Array): string {
  return hex(blake3(bytes));
}

/** The hash of bytes that come in parts. */
export function hasher() {
  const state = blake3.create();
  return {
    update(part: Uint8Array) {
      state.update(part);
    },
    hex: () => hex(state.digest()),
  };
}

/** Bytes read from a file at once. */
const PIECE = 4 << 20;

/** The hash of a file of any size, on a thread of its own so that the page stays smooth. */
export function hashFile(file: Blob, onProgress?: (done: number) => void, signal?: AbortSignal): Promise<string> {
  const worker = new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<string>((resolve, reject) => {
    const stop = () => reject(signal?.reason ?? new DOMException('stopped', 'AbortError'));
    if (signal?.aborted) return stop();
    signal?.addEventListener('abort', stop, { once: true });
    worker.onmessage = (event: MessageEvent<{ done?: number; hash?: string; error?: string }>) => {
      const { done, hash, error } = event.data;
      if (done !== undefined) onProgress?.(done);
      if (hash !== undefined) resolve(hash);
      if (error !== undefined) reject(new Error(error));
    };
    worker.onerror = () => reject(new Error('the hashing thread failed: reload the page and try again'));
    worker.postMessage({ file, piece: PIECE });
  }).finally(() => worker.terminate());
}
