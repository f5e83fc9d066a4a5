import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Beat, beatAge, concerns, follow, heard, ifFresh, type LiveStatus, trueAt } from '.';

const clock = (index_age_ms: number) => ({ type: 'clock', time: 1, slot: 2, index_age_ms }) as const;
const begun: LiveStatus = { up: null, since: 1_000, clockAt: null, time: null, slot: null, indexAgeMs: null };

describe('freshness', () => {
  const live = heard(begun, clock(500), 60_000);
  it('is that of the oldest part', () => {
    expect(trueAt(begun, [])).toBeNull();
    expect(trueAt(live, [])).toBe(59_500);
    // A balance that was read anew makes nothing else newer.
    const balance = { at: 60_000, followed: false };
    expect(trueAt(heard(begun, clock(600_000), 660_000), [balance])).toBe(60_000);
    expect(trueAt(live, [balance, { at: 20_000, followed: false }])).toBe(20_000);
  });
  it('of what the stream follows is the index’s, unless something was missed', () => {
    const read = { at: 20_000, followed: true };
    expect(trueAt(live, [read])).toBe(59_500);
    const back = heard(heard(live, { type: 'down' }, 61_000), { type: 'hello', resumed: false }, 62_000);
    expect(back).toMatchObject({ up: true, since: 62_000 });
    expect(trueAt(back, [read])).toBe(20_000);
    expect(heard(live, { type: 'hello', resumed: true }, 62_000).since).toBe(1_000);
  });
  it('passes while nothing is heard', () => {
    const down = heard(live, { type: 'down' }, 90_000);
    expect(down.up).toBe(false);
    expect(trueAt(down, [{ at: 20_000, followed: true }])).toBe(59_500);
  });
});

describe('a heartbeat', () => {
  const beat = { heardAt: 10_000 } as Beat;
  it('grows old by this machine’s clock', () => {
    expect([beatAge(undefined, 0), beatAge(beat, 12_500), beatAge(beat, 9_000)]).toEqual([null, 2.5, 0]);
    expect([ifFresh(beat, 29_999), ifFresh(beat, 30_000), ifFresh(undefined, 0)]).toEqual([beat, undefined, undefined]);
  });
});

describe('news of an account', () => {
  it('concern whom it names', () => {
    const job = { renter: 'me', provider: 'p', units: 5n };
    expect(concerns(job, ['me', undefined])).toBe(true);
    expect(concerns(job, ['somebody', 'p'])).toBe(true);
    expect(concerns({ ...job, bytes: new Uint8Array(2), none: undefined }, ['you', undefined])).toBe(false);
  });
});

describe('a stream', () => {
  class Source extends EventTarget {
    static readonly CLOSED = 2;
    static all: Source[] = [];
    readyState = 1;
    onerror: (() => void) | null = null;
    readonly url: string;
    constructor(url: string) {
      super();
      this.url = url;
      Source.all.push(this);
    }
    close() {
      this.readyState = Source.CLOSED;
    }
    refuse() {
      this.close();
      this.onerror?.();
    }
    tell(name: string, data: unknown) {
      this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify(data) }));
    }
  }
  const newest = () => Source.all.at(-1) as Source;
  beforeEach(() => {
    Source.all = [];
    vi.useFakeTimers();
    vi.stubGlobal('EventSource', Source);
    vi.stubGlobal('window', new EventTarget());
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
  });

  it('that is refused is opened again, each time later', () => {
    const down = vi.fn();
    const stop = follow('/v1/events', {}, down);
    for (const pause of [3_000, 6_000, 12_000, 24_000, 48_000, 60_000, 60_000]) {
      const opened = Source.all.length;
      newest().refuse();
      vi.advanceTimersByTime(pause - 1);
      expect(Source.all).toHaveLength(opened);
      vi.advanceTimersByTime(1);
      expect(Source.all).toHaveLength(opened + 1);
    }
    expect(down).toHaveBeenCalledTimes(7);
    // A word from it, and the next pause is short.
    newest().tell('hello', {});
    newest().refuse();
    vi.advanceTimersByTime(3_000);
    expect(Source.all).toHaveLength(9);
    stop();
    vi.advanceTimersByTime(600_000);
    expect(Source.all).toHaveLength(9);
  });
  it('that falls silent is opened anew, and one that the browser sees to is left to it', () => {
    const heartbeat = vi.fn();
    follow('/v1/events?heartbeats=p', { heartbeat });
    vi.advanceTimersByTime(20_000);
    newest().tell('clock', {});
    newest().onerror?.();
    vi.advanceTimersByTime(20_000);
    expect(Source.all).toHaveLength(1);
    vi.advanceTimersByTime(8_000);
    expect(Source.all).toHaveLength(2);
    newest().tell('heartbeat', { provider: 'p' });
    expect(heartbeat).toHaveBeenCalledWith({ provider: 'p' });
  });
  it('waits for nothing once the network is back', () => {
    follow('/v1/events', {});
    window.dispatchEvent(new Event('online'));
    expect(Source.all, 'it is open').toHaveLength(1);
    newest().refuse();
    window.dispatchEvent(new Event('online'));
    expect(Source.all).toHaveLength(2);
  });
});
