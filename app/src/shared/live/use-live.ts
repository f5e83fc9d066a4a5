import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { type Heartbeat, type LiveStatus, liveStore, onLive, startLive } from './stream';

/** What is asked again at most so often, milliseconds, whatever the news. */
const JOB_AGAIN_MS = 700;

/** Feeds the query cache from the stream, as long as the app is open. */
export function useLiveCache() {
  const client = useQueryClient();
  useEffect(() => {
    startLive();
    const waiting = new Map<string, ReturnType<typeof setTimeout>>();
    const again = (name: string, key: readonly unknown[]) => {
      if (waiting.has(name)) return;
      const timer = setTimeout(() => {
        waiting.delete(name);
        void client.invalidateQueries({ queryKey: key });
      }, JOB_AGAIN_MS);
      waiting.set(name, timer);
    };
    const stop = onLive((event) => {
      if (event.type === 'account') {
        // The chain's decoders are loaded with the first face, not with the shell.
        void import('@/shared/chain').then(({ patch }) => patch(client, event.account));
        again(`job:${event.account.address}`, ['api', 'job', event.account.address]);
        again('tokens', ['chain', 'tokens']);
      } else if (event.type === 'job') {
        again(`job:${event.job}`, ['api', 'job', event.job]);
      } else if (event.type === 'hello' && !event.resumed) {
        // Something may have been missed: everything that is shown is read again.
        void client.invalidateQueries();
      }
    });
    return () => {
      stop();
      for (const timer of waiting.values()) clearTimeout(timer);
    };
  }, [client]);
}

export function useLiveStatus(): LiveStatus {
  return useSyncExternalStore(liveStore.subscribe, liveStore.snapshot, liveStore.snapshot);
}

/** Unix seconds, ticking; the chain's time where the stream tells it. */
export function useNow(everyMs = 1_000): number {
  const [now, setNow] = useState(() => chainNow());
  useEffect(() => {
    const timer = setInterval(() => setNow(chainNow()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

export function chainNow(): number {
  const { time, heardAt } = liveStore.snapshot();
  const here = Date.now() / 1000;
  return time === null || heardAt === null ? here : time + (here - heardAt / 1000);
}

/** Newest heartbeats of a provider's devices. The page asks for them over a stream of its own while it is shown. */
export function useHeartbeats(provider: string | null): Record<string, Heartbeat> {
  const [beats, setBeats] = useState<Record<string, Heartbeat>>({});
  useEffect(() => {
    setBeats({});
    if (!provider) return;
    const source = new EventSource(`/v1/events?heartbeats=${provider}`);
    source.addEventListener('heartbeat', (message) => {
      const { heartbeat } = JSON.parse((message as MessageEvent<string>).data) as { heartbeat: Heartbeat };
      setBeats((before) => ({ ...before, [heartbeat.device]: heartbeat }));
    });
    return () => source.close();
  }, [provider]);
  return beats;
}
