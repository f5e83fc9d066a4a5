import { address } from '@solana/kit';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { pda } from '@/shared/chain';
import { forget, landed, nonceOf } from './attempt';

const RENTER = address('4Nd1mBQtrMJVYVfKf2PJy9NZUZdTAsp7D4xWLs4gDB4T');
const OTHER = address('SysvarC1ock11111111111111111111111111111111');

const fetchAccount = vi.hoisted(() => vi.fn(async (_kind: string, at: string) => ({ address: at })));
vi.mock('@/shared/chain', async (original) => ({ ...(await original<object>()), fetchAccount }));

beforeEach(() => {
  const store = new Map<string, string>();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => store.get(key) ?? null,
    setItem: (key: string, value: string) => store.set(key, value),
    removeItem: (key: string) => store.delete(key),
  });
  fetchAccount.mockClear();
});

describe('the number of a job', () => {
  it('stays the same until the job is made, each wallet’s own', async () => {
    const first = await nonceOf(RENTER);
    expect(await nonceOf(RENTER)).toBe(first);
    expect(await nonceOf(OTHER)).not.toBe(first);
    forget(RENTER);
    expect(await nonceOf(RENTER)).not.toBe(first);
  });
  it('leads to the job of an earlier try', async () => {
    const { signal } = new AbortController();
    expect(await landed(RENTER, signal), 'nothing was tried').toBeNull();
    expect(fetchAccount).not.toHaveBeenCalled();
    const nonce = await nonceOf(RENTER);
    expect((await landed(RENTER, signal))?.address).toBe(await pda.job(RENTER, nonce));
  });
  it('is another each time where nothing can be kept', async () => {
    vi.stubGlobal('sessionStorage', undefined);
    expect(await nonceOf(RENTER)).not.toBe(await nonceOf(RENTER));
  });
});
