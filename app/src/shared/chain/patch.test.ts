import { getBase64Decoder } from '@solana/kit';
import { QueryClient } from '@tanstack/react-query';
import { describe, expect, it } from 'vitest';
import { getJobEncoder, type Job } from '@/generated/program';
import { type AnyRead, decodeAny, type Read } from './accounts';
import { isNewer, patch } from './patch';
import { accountKey, listKey } from './queries';

const KEY = '11111111111111111111111111111111';
const OTHER = 'SysvarC1ock11111111111111111111111111111111';

/** A job of nothing but zeroes, with the fields that matter here. */
function jobBase64(fields: { state: number; createdSlot?: bigint; renter?: string }): string {
  const size = getJobEncoder().fixedSize;
  const blank = decodeAny(KEY, 0n, encode(new Uint8Array(size)))?.data as Job | undefined;
  const bytes = getJobEncoder().encode({ ...(blank as Job), ...fields } as Job);
  return getBase64Decoder().decode(bytes);
}

/** Bytes with a job's discriminator. */
function encode(bytes: Uint8Array): string {
  bytes.set([75, 124, 80, 203, 161, 180, 202, 80]);
  return getBase64Decoder().decode(bytes);
}

const read = (slot: bigint, state: number, createdSlot = 1n) =>
  decodeAny(KEY, slot, jobBase64({ state, createdSlot })) as AnyRead;

describe('live news', () => {
  it('never goes back', () => {
    expect(isNewer(undefined, read(1n, 1))).toBe(true);
    expect(isNewer(read(5n, 3), read(4n, 5))).toBe(false);
    expect(isNewer(read(5n, 3), read(5n, 2))).toBe(false);
    expect(isNewer(read(5n, 3), read(5n, 5))).toBe(true);
    expect(isNewer(read(5n, 5), read(5n, 1, 2n)), 'another job at the same address').toBe(true);
  });
  it('changes what is shown, and lists that it belongs to', () => {
    const client = new QueryClient();
    client.setQueryData(accountKey(KEY), read(1n, 1));
    client.setQueryData(listKey('job', { renter: KEY }), []);
    client.setQueryData(listKey('job', { renter: OTHER }), []);
    patch(client, { address: KEY, slot: 2, data: jobBase64({ state: 2, renter: KEY }) });
    const state = () => client.getQueryData<Read<Job> | null>(accountKey(KEY))?.data.state;
    const list = (renter: string) => client.getQueryData<Read<Job>[]>(listKey('job', { renter }));
    expect(state()).toBe(2);
    expect(list(KEY)?.map(({ data }) => data.state)).toEqual([2]);
    expect(list(OTHER)).toEqual([]);
    patch(client, { address: KEY, slot: 1, data: jobBase64({ state: 1, renter: KEY }) });
    expect(state()).toBe(2);
    patch(client, { address: KEY, slot: 3, data: 'AAAA' });
    expect(state(), 'an account of an unknown kind').toBe(2);
    patch(client, { address: KEY, slot: 3, data: null });
    expect(client.getQueryData(accountKey(KEY))).toBeNull();
    expect(list(KEY)).toEqual([]);
  });
});
