import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { type LiveAccount, type LiveStatus, liveStore, onLive, startLive } from './stream';

/** What is asked again at most so often, milliseconds, whatever the news. */
const AGAIN_MS = 700;
/** The same for balances, which the chain is asked for: public nodes answer few requests. */
const BALANCES_AGAIN_MS = 10_000;

/** Whether an account says that tokens of these addresses may have moved: it names one of them. */
export function concerns(account: object, names: readonly unknown[]): boolean {
  return Object.values(account).some((value) => typeof value === 'string' && names.includes(value));
}

/** Who holds the balances that are shown: their wallets, and the provider accounts of these. */
function holders(client: QueryClient): Map<string, readonly unknown[]> {
  const shown = client.getQueryCache().findAll({ queryKey: ['chain', 'tokens'], type: 'active' });
  return new Map(
    shown.map(({ queryKey: [, , owner] }) => [
      String(owner),
      [owner, client.getQueryData(['chain', 'providerOf', owner])],
    ]),
  );
}

/** Feeds the query cache from the stream, as long as the app is open. */
export function useLiveCache() {
  const client = useQueryClient();
  useEffect(() => {
    startLive();
    const waiting = new Map<string, ReturnType<typeof setTimeout>>();
    const last = new Map<string, number>();
    const again = (key: readonly string[], every = AGAIN_MS) => {
      const name = key.join(':');
      if (waiting.has(name)) return;
      const timer = setTimeout(
        () => {
          waiting.delete(name);
          last.set(name, Date.now());
          void client.invalidateQueries({ queryKey: key });
        },
        Math.max(AGAIN_MS, (last.get(name) ?? 0) + every - Date.now()),
      );
      waiting.set(name, timer);
    };
    const take = async (account: LiveAccount) => {
      // The chain's decoders are loaded with the first face, not with the shell.
      const { decodeAny, patch } = await import('@/shared/chain');
      patch(client, account);
      const read = account.data ? decodeAny(account.address, BigInt(account.slot), account.data) : null;
      if (!read) return;
      for (const [owner, names] of holders(client))
        if (concerns(read.data, names)) again(['chain', 'tokens', owner], BALANCES_AGAIN_MS);
    };
    const stop = onLive((event) => {
      if (event.type === 'account') {
        void take(event.account);
        again(['api', 'job', event.account.address]);
      } else if (event.type === 'job') {
        again(['api', 'job', event.job]);
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
  const { time, clockAt } = liveStore.snapshot();
  const here = Date.now() / 1000;
  return time === null || clockAt === null ? here : time + (here - clockAt / 1000);
}
