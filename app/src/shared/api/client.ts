import createClient from 'openapi-fetch';
import type { components, paths } from '@/generated/api';

export type Schemas = components['schemas'];
export type Attestation = Schemas['Attestation'];
export type JobView = Schemas['JobView'];
export type Offer = Schemas['Offer'];
export type Quote = Schemas['Quote'];
export type QuoteRequest = Schemas['QuoteRequest'];
export type LeaseAnswer = Schemas['LeaseAnswer'];
export type LeaseReply = Schemas['LeaseReply'];
export type LeaseRun = Schemas['LeaseRun'];
export type LeaseSignature = Schemas['LeaseSignature'];
export type LeaseCount = Schemas['LeaseCount'];
export type Burns = Schemas['Burns'];
export type BlobStatus = Schemas['BlobStatus'];
export type Info = Schemas['Info'];

/** Longest wait for an answer that is no blob. */
const TIMEOUT_MS = 15_000;

/** A refusal, or no answer at all (`status` 0). */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string | null;
  constructor(status: number, code: string, message: string, hint: string | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
  get isDown() {
    return this.status === 0 || this.status >= 500;
  }
}

export function failureOf(status: number, body: unknown): ApiFailure {
  const error = body as Partial<Schemas['ApiError']> | undefined;
  if (typeof error?.message === 'string')
    return new ApiFailure(status, error.code ?? 'unknown', error.message, error.hint);
  return new ApiFailure(status, 'unknown', `the oracle answered ${status}`);
}

/** `fetch` whose failures are `ApiFailure`. */
export async function ask(input: RequestInfo | URL, init: RequestInit = {}, timeoutMs = TIMEOUT_MS): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  try {
    return await fetch(input, { ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    const why = timeout.aborted ? `no answer in ${timeoutMs / 1000} s` : 'no connection';
    throw new ApiFailure(0, 'down', `the oracle can not be reached (${why})`, 'It is tried again by itself.');
  }
}

const clients = new Map<string, ReturnType<typeof createClient<paths>>>();

/** The typed client of an oracle; the one that served this page when none is named. */
export function api(base = '') {
  let client = clients.get(base);
  if (!client) {
    client = createClient<paths>({ baseUrl: base || globalThis.location?.origin, fetch: (request) => ask(request) });
    clients.set(base, client);
  }
  return client;
}

type Result<T> = { data?: T; error?: unknown; response: Response };

/** The data of an answer, or a thrown `ApiFailure`. */
export async function take<T>(result: Promise<Result<T>>): Promise<T> {
  const { data, error, response } = await result;
  if (data === undefined) throw failureOf(response.status, error);
  return data;
}

/** As `take`, with null for what is not there. */
export async function takeMaybe<T>(result: Promise<Result<T>>): Promise<T | null> {
  try {
    return await take(result);
  } catch (error) {
    if (error instanceof ApiFailure && error.status === 404) return null;
    throw error;
  }
}
