/**
 * One stream of `GET /v1/events` for all tabs: browsers open few connections to a host, so the tab that holds the lock has the stream
 * and tells the others. It comes back by itself, and says where it was (`Last-Event-ID`).
 */

export interface LiveAccount {
  address: string;
  slot: number;
  /** Base64 of the account's bytes; null once it is closed. */
  data: string | null;
}

export interface Heartbeat {
  device: string;
  at_ms: number;
  load: number;
  memory_used_mib: number;
  temperature_c: number | null;
  power_w: number | null;
  draining: boolean;
  job: string | null;
  rtt_ms: number | null;
  version: string;
  engines: Record<string, { ask: string; speed: number }>;
}

export type LiveEvent =
  | { type: 'hello'; resumed: boolean }
  | { type: 'account'; account: LiveAccount }
  | { type: 'job'; job: string }
  | { type: 'heartbeat'; provider: string; heartbeat: Heartbeat }
  | { type: 'clock'; time: number; slot: number; index_age_ms: number }
  | { type: 'down' };

export interface LiveStatus {
  /** Null before anything was heard, or missed. */
  up: boolean | null;
  /** Milliseconds of this machine's clock at the last event. */
  heardAt: number | null;
  /** Chain's time and slot with the last `clock`. */
  time: number | null;
  slot: number | null;
  indexAgeMs: number | null;
}

const CHANNEL = 'io.live';
const LOCK = 'io.live';
/** Without a word for so long (the oracle says something every 10 s), the stream is opened anew. */
const SILENCE_MS = 25_000;
const AGAIN_MS = 3_000;

let status: LiveStatus = { up: null, heardAt: null, time: null, slot: null, indexAgeMs: null };
const watchers = new Set<() => void>();
const readers = new Set<(event: LiveEvent) => void>();
let started = false;

function take(event: LiveEvent) {
  if (event.type === 'down') status = { ...status, up: false };
  else if (event.type === 'clock') {
    status = { up: true, heardAt: Date.now(), time: event.time, slot: event.slot, indexAgeMs: event.index_age_ms };
  } else status = { ...status, up: true, heardAt: Date.now() };
  for (const reader of readers) reader(event);
  for (const watcher of watchers) watcher();
}

/** Calls back with every event. */
export function onLive(reader: (event: LiveEvent) => void): () => void {
  readers.add(reader);
  return () => readers.delete(reader);
}

export const liveStore = {
  subscribe(watcher: () => void) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
  snapshot: () => status,
};

function lead(channel: BroadcastChannel): Promise<never> {
  const tell = (event: LiveEvent) => {
    take(event);
    channel.postMessage(event);
  };
  let source: EventSource | null = null;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const open = () => {
    source?.close();
    source = new EventSource('/v1/events');
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(again, SILENCE_MS);
    };
    const again = () => {
      clearTimeout(silence);
      source?.close();
      tell({ type: 'down' });
      setTimeout(open, AGAIN_MS);
    };
    const on = (name: string, event: (data: never) => LiveEvent) =>
      source?.addEventListener(name, (message) => {
        heard();
        tell(event(JSON.parse((message as MessageEvent<string>).data) as never));
      });
    on('hello', ({ resumed }: { resumed: boolean }) => ({ type: 'hello', resumed }));
    on('account', (account: LiveAccount) => ({ type: 'account', account }));
    on('job', ({ job }: { job: string }) => ({ type: 'job', job }));
    on('heartbeat', (data: { provider: string; heartbeat: Heartbeat }) => ({ type: 'heartbeat', ...data }));
    on('clock', (data: { time: number; slot: number; index_age_ms: number }) => ({ type: 'clock', ...data }));
    source.onerror = () => {
      tell({ type: 'down' });
      // The browser goes on by itself unless it was refused.
      if (source?.readyState === EventSource.CLOSED) again();
    };
    heard();
  };
  open();
  return new Promise<never>(() => {});
}

export function startLive() {
  if (started) return;
  started = true;
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (message: MessageEvent<LiveEvent>) => take(message.data);
  const locks = navigator.locks as LockManager | undefined;
  // Without locks (not a secure context) each tab has a stream of its own.
  if (locks) void locks.request(LOCK, () => lead(channel));
  else void lead(channel);
}
