/** Live news of accounts into the query cache. */
import type { QueryClient } from '@tanstack/react-query';
import type { LiveAccount } from '@/shared/live';
import { type AnyRead, decodeAny, type Kinds, type Read } from './accounts';
import { accountKey } from './queries';

/** Whether what came is newer than what is known: by slot; within a slot a job never goes back. */
export function isNewer(known: Read<unknown> | null | undefined, next: AnyRead): boolean {
  if (!known) return true;
  if (next.slot !== known.slot) return next.slot > known.slot;
  if (next.kind !== 'job') return true;
  const before = known.data as Kinds['job'];
  return next.data.createdSlot !== before.createdSlot || next.data.state >= before.state;
}

/** Whether an account belongs into a list that was read with these filters. */
function belongs(read: AnyRead, by: Record<string, string>): boolean {
  return Object.entries(by).every(
    ([field, value]) => (read.data as unknown as Record<string, unknown>)[field] === value,
  );
}

const SINGLES: Partial<Record<AnyRead['kind'], string>> = {
  network: 'network',
  oracleSet: 'oracleSet',
  emission: 'emission',
};

export function patch(client: QueryClient, news: LiveAccount) {
  if (!news.data) {
    client.setQueriesData({ queryKey: accountKey(news.address), exact: true }, () => null);
    client.setQueriesData<Read<unknown>[]>({ queryKey: ['chain', 'list'] }, (list) =>
      list?.some((read) => read.address === news.address) ? list.filter((read) => read.address !== news.address) : list,
    );
    return;
  }
  const read = decodeAny(news.address, BigInt(news.slot), news.data);
  if (!read) return;
  const take = (known: Read<unknown> | null | undefined) =>
    known === undefined || !isNewer(known, read) ? known : read;
  client.setQueryData<Read<unknown> | null>(accountKey(news.address), take);
  const single = SINGLES[read.kind];
  if (single) client.setQueryData<Read<unknown> | null>(['chain', single], take);
  for (const [key, list] of client.getQueriesData<Read<unknown>[]>({ queryKey: ['chain', 'list', read.kind] })) {
    if (!list || !belongs(read, (key[3] ?? {}) as Record<string, string>)) continue;
    const at = list.findIndex((one) => one.address === read.address);
    if (at < 0) client.setQueryData(key, [...list, read]);
    else if (isNewer(list[at], read)) client.setQueryData(key, list.with(at, read));
  }
}
