/**
 * One stream of `GET /v1/events` for all tabs: browsers open few connections to a host, so the tab that holds the lock has the stream
 * and tells the others. It comes back by itself, and says where it was (`Last-Event-ID`).
 */

import type { components } from '@/generated/api';

type Schemas = components['schemas'];
export type LiveAccount = Schemas['AccountEvent'];
export type Heartbeat = Schemas['Heartbeat'];

/** Events by name, as `GET /v1/events` sends them. */
interface Events {
  hello: Schemas['HelloEvent'];
  account: LiveAccount;
  job: Schemas['JobEvent'];
  heartbeat: Schemas['HeartbeatEvent'];
  clock: Schemas['ClockEvent'];
}

export type LiveEvent =
  | { type: 'hello'; resumed: boolean }
  | { type: 'account'; account: LiveAccount }
  | { type: 'job'; job: string }
  | ({ type: 'clock' } & Schemas['ClockEvent'])
  | { type: 'down' };

export interface LiveStatus {
  /** Null before anything was heard, or missed. */
  up: boolean | null;
  /** Of all that happened since then something was told, milliseconds of this machine's clock; null before the stream is listened to. */
  since: number | null;
  /** The same clock at the last `clock`, and the chain's time and slot with it. */
  clockAt: number | null;
  time: number | null;
  slot: number | null;
  indexAgeMs: number | null;
}

const CHANNEL = 'io.live';
const LOCK = 'io.live';
/** Without a word for so long (the clock ticks every second), a stream is opened anew. */
const SILENCE_MS = 25_000;
/** Pause before that, and before a stream that was refused is opened again: twice as long each time, up to the longest. */
const AGAIN_MS = 3_000;
const LONGEST_MS = 60_000;
const NAMES = ['hello', 'account', 'job', 'heartbeat', 'clock'] as const satisfies (keyof Events)[];

let status: LiveStatus = { up: null, since: null, clockAt: null, time: null, slot: null, indexAgeMs: null };
const watchers = new Set<() => void>();
const readers = new Set<(event: LiveEvent) => void>();
let started = false;

/** The status once an event was heard. */
export function heard(before: LiveStatus, event: LiveEvent, now: number): LiveStatus {
  if (event.type === 'down') return { ...before, up: false };
  if (event.type === 'clock') {
    return {
      ...before,
      up: true,
      clockAt: now,
      time: event.time,
      slot: event.slot,
      indexAgeMs: event.index_age_ms,
    };
  }
  const missed = event.type === 'hello' && !event.resumed;
  return { ...before, up: true, since: missed ? now : before.since };
}

function take(event: LiveEvent) {
  status = heard(status, event, Date.now());
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

/**
 * Reads a stream of the API until it is stopped. The browser sees to connections that break; this to what the browser gives up (a
 * refusal: too many streams, too many requests) and does not notice (silence).
 */
export function follow(
  url: string,
  handlers: { [Name in keyof Events]?: (data: Events[Name]) => void },
  onDown?: () => void,
): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  const within = (ms: number, then: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
  };
  const fail = () => {
    source.close();
    onDown?.();
    within(Math.min(LONGEST_MS, AGAIN_MS * 2 ** failures), open);
    failures += 1;
  };
  const open = () => {
    source = new EventSource(url);
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        failures = 0;
        within(SILENCE_MS, fail);
        handlers[name]?.(JSON.parse((message as MessageEvent<string>).data) as never);
      });
    }
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) fail();
      else onDown?.();
    };
    within(SILENCE_MS, fail);
  };
  // Nobody waits for the pause to end once the network is back.
  const online = () => {
    if (source.readyState === EventSource.CLOSED) open();
  };
  open();
  window.addEventListener('online', online);
  return () => {
    window.removeEventListener('online', online);
    clearTimeout(timer);
    source.close();
  };
}

function lead(channel: BroadcastChannel): Promise<never> {
  const tell = (event: LiveEvent) => {
    take(event);
    channel.postMessage(event);
  };
  follow(
    '/v1/events',
    {
      hello: ({ resumed }) => tell({ type: 'hello', resumed }),
      account: (account) => tell({ type: 'account', account }),
      job: ({ job }) => tell({ type: 'job', job }),
      clock: (data) => tell({ type: 'clock', ...data }),
    },
    () => tell({ type: 'down' }),
  );
  return new Promise<never>(() => {});
}

export function startLive() {
  if (started) return;
  started = true;
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (message: MessageEvent<LiveEvent>) => take(message.data);
  // Another tab may have the stream: what it tells from now on is heard.
  status = { ...status, since: Date.now() };
  const locks = navigator.locks as LockManager | undefined;
  // Without locks (not a secure context) each tab has a stream of its own.
  if (locks) void locks.request(LOCK, () => lead(channel));
  else void lead(channel);
}
