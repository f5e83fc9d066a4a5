/** Work on a leased device. */
import { authHeader, type RequestSigner } from './auth';
import { ApiFailure, api, ask, failureOf, type LeaseAnswer, type LeaseReply, type LeaseRun, take } from './client';

/** The oracle waits some seconds for the device; with room for a slow network. */
const TIMEOUT_MS = 40_000;
/** Pause before an oracle that can not be reached is asked again. */
const AGAIN_MS = 3_000;
/** Longest wait without a word of how long it may take: no request takes longer. */
const LONGEST_MS = 3_600_000;

async function replyOf(answer: Response): Promise<LeaseReply> {
  const said = await answer.json().catch(() => undefined);
  if (!answer.ok) throw failureOf(answer.status, said);
  return said as LeaseReply;
}

/** Asks for a spec to be run. Signed by the lease's renter or payer; what follows needs no signature: `leaseAnswer`. */
export async function leaseRequest(
  signer: RequestSigner,
  job: string,
  spec: string,
  signal: AbortSignal,
): Promise<LeaseReply> {
  const info = await take(api().GET('/v1/info', { signal }));
  const skew = info.now_ms - Date.now();
  const pathAndQuery = `/v1/leases/${job}/requests`;
  const body = new TextEncoder().encode(JSON.stringify({ spec }));
  const header = await authHeader(signer, {
    recipient: info.oracle,
    method: 'POST',
    pathAndQuery,
    body,
    subject: job,
    atMs: Date.now() + skew,
  });
  const headers = { 'x-io-auth': header, 'content-type': 'application/json' };
  return replyOf(await ask(pathAndQuery, { method: 'POST', body, headers, signal }, TIMEOUT_MS));
}

const pause = (ms: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });

/**
 * Waits for the answer to a request that was sent, as long as the oracle says that it may take; null when the oracle knows of no such
 * request. The device goes on whether anybody waits or not.
 */
export async function leaseAnswer(
  job: string,
  spec: string,
  signal: AbortSignal,
  onRunning: (run: LeaseRun) => void,
): Promise<LeaseAnswer | null> {
  let until = Date.now() + LONGEST_MS;
  for (;;) {
    try {
      const reply = await replyOf(await ask(`/v1/leases/${job}/requests/${spec}`, { signal }, TIMEOUT_MS));
      if (reply.answer) return reply.answer;
      if (reply.running) {
        onRunning(reply.running);
        until = Date.now() + (reply.running.at_most - reply.running.seconds) * 1_000 + TIMEOUT_MS;
      }
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      if (error.status === 404) return null;
      if (!error.isDown || Date.now() > until) throw error;
      await pause(AGAIN_MS, signal);
    }
  }
}
