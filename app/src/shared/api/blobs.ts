/** Blobs: bytes by their BLAKE3 hash. Uploads resume where they stopped; downloads are checked before anybody sees them. */
import { blake3Hex, hasher } from '@/shared/verify';
import { authHeader, type RequestSigner } from './auth';
import { ApiFailure, api, ask, type BlobStatus, failureOf, take, takeMaybe } from './client';

/** Largest part that is sent at once, whatever the oracle takes: progress is by parts. */
const PART = 1 << 20;
const PART_TIMEOUT_MS = 120_000;
const ATTEMPTS = 6;
const PAUSE_MS = 500;

const pause = (ms: number, signal?: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

export interface UploadOptions {
  signer: RequestSigner;
  base?: string;
  signal?: AbortSignal;
  /** Bytes that are there, of all. */
  onProgress?: (done: number, total: number) => void;
}

/** Uploads what is not there yet. */
export async function upload(hash: string, content: Blob, options: UploadOptions): Promise<void> {
  const { signer, base = '', signal, onProgress } = options;
  const client = api(base);
  const info = await take(client.GET('/v1/info', { signal }));
  // The oracle's own clock decides whether a signature is fresh.
  const skew = info.now_ms - Date.now();
  if (content.size > info.limits.max_blob_bytes) {
    throw new ApiFailure(
      413,
      'too_large',
      `the file has ${content.size} bytes, the oracle takes ${info.limits.max_blob_bytes}`,
    );
  }
  const place = () =>
    takeMaybe(
      client.GET('/v1/blobs/{hash}/status', { params: { path: { hash }, query: { uploader: signer.key } }, signal }),
    ) as Promise<BlobStatus | null>;
  const any = await takeMaybe(client.GET('/v1/blobs/{hash}/status', { params: { path: { hash } }, signal }));
  let status: BlobStatus | null = any?.complete ? any : await place();
  let failures = 0;
  while (!status?.complete) {
    const offset = status?.received ?? 0;
    onProgress?.(offset, content.size);
    const length = Math.min(PART, info.limits.max_part_bytes);
    const part = new Uint8Array(await content.slice(offset, offset + length).arrayBuffer());
    const pathAndQuery = `/v1/blobs/${hash}?offset=${offset}&size=${content.size}`;
    try {
      const header = await authHeader(signer, {
        recipient: info.oracle,
        method: 'PUT',
        pathAndQuery,
        body: part,
        atMs: Date.now() + skew,
      });
      const headers = { 'x-io-auth': header, 'content-type': 'application/octet-stream' };
      const answer = await ask(
        `${base}${pathAndQuery}`,
        { method: 'PUT', body: part, headers, signal },
        PART_TIMEOUT_MS,
      );
      const body = await answer.json().catch(() => undefined);
      if (!answer.ok) throw failureOf(answer.status, body);
      status = body as BlobStatus;
      failures = 0;
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      // 409: the upload is somewhere else than this page thought. The rest may pass.
      const passing = error.isDown || error.status === 409 || error.status === 429;
      failures += 1;
      if (!passing || failures >= ATTEMPTS) throw error;
      await pause(PAUSE_MS * 2 ** failures, signal);
      status = await place().catch(() => status);
    }
  }
  onProgress?.(content.size, content.size);
}

export class HashMismatch extends Error {}

/** A blob's bytes, checked; from the first of the oracles that has it whole and right. */
export async function download(
  hash: string,
  options: { bases: readonly string[]; maxBytes: number; signal?: AbortSignal; onProgress?: (done: number) => void },
): Promise<Uint8Array<ArrayBuffer>> {
  let last: unknown = new ApiFailure(404, 'not_found', `no oracle has the blob ${hash}`);
  for (const base of options.bases) {
    try {
      const answer = await ask(`${base}/v1/blobs/${hash}`, { signal: options.signal }, 600_000);
      if (!answer.ok) throw failureOf(answer.status, await answer.json().catch(() => undefined));
      const parts: Uint8Array[] = [];
      let size = 0;
      const state = hasher();
      const reader = answer.body?.getReader();
      for (;;) {
        const piece = await reader?.read();
        if (!piece || piece.done) break;
        size += piece.value.length;
        if (size > options.maxBytes)
          throw new ApiFailure(413, 'too_large', `the blob is larger than ${options.maxBytes} bytes`);
        state.update(piece.value);
        parts.push(piece.value);
        options.onProgress?.(size);
      }
      if (state.hex() !== hash) throw new HashMismatch('what came does not have the hash that the chain names');
      const bytes = new Uint8Array(size);
      let at = 0;
      for (const part of parts) {
        bytes.set(part, at);
        at += part.length;
      }
      return bytes;
    } catch (error) {
      if (options.signal?.aborted) throw error;
      last = error;
    }
  }
  throw last;
}

export { blake3Hex };
