import { describe, expect, it } from 'vitest';
import type { JobView } from '@/shared/api';
import type { Kinds, Read } from '@/shared/chain';
import { jobOf, withClosed } from '.';

const view = {
  job: 'a',
  state: 'settled',
  mint: 'io',
  device: 'd',
  paid: '7',
  fees: '1',
  created_at: 10,
  accepted_at: 11,
  submitted_at: 12,
  finished_at: 13,
  output_hash: 'ab'.repeat(32),
} as JobView;

describe('jobs that were closed', () => {
  it('have the chain’s own fields', () => {
    expect(jobOf(view).data).toEqual({
      kind: 0,
      state: 5,
      mint: 'io',
      device: 'd',
      paid: 7n,
      fees: 1n,
      createdAt: 10n,
      acceptedAt: 11n,
      submittedAt: 12n,
      finishedAt: 13n,
    });
    expect(jobOf({ ...view, kind: 'lease' }).data.kind, 'a lease').toBe(1);
    const open = jobOf({ ...view, state: 'open', device: null, paid: null, accepted_at: null, output_hash: null });
    expect(open.data).toMatchObject({ kind: 0, state: 1, device: '', paid: 0n, acceptedAt: 0n });
  });
  it('come beside those on chain, which has the last word', () => {
    const onChain = [{ address: 'a', data: { state: 4 } }] as unknown as Read<Kinds['job']>[];
    const all = withClosed(onChain, [jobOf(view), jobOf({ ...view, job: 'b' })]);
    expect(all.map(({ address, data }) => [address, data.state])).toEqual([
      ['a', 4],
      ['b', 5],
    ]);
  });
});
