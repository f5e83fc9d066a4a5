/** Work on a leased device. */
import { authHeader, type RequestSigner } from './auth';
import { api, ask, failureOf, type LeaseAnswer, type Schemas, take } from './client';

/** The oracle waits some seconds for the device; with room for a slow network. */
const TIMEOUT_MS = 40_000;

/** Asks for a spec to be run; null while the device works on it. Signed by the lease's renter or payer, each time anew. */
export async function leaseRequest(
  signer: RequestSigner,
  job: string,
  spec: string,
  signal: AbortSignal,
): Promise<LeaseAnswer | null> {
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
  const answer = await ask(pathAndQuery, { method: 'POST', body, headers, signal }, TIMEOUT_MS);
  const said = await answer.json().catch(() => undefined);
  if (!answer.ok) throw failureOf(answer.status, said);
  return (said as Schemas['LeaseReply']).answer ?? null;
}
