import { expect, it } from 'vitest';
import type { DatedStep } from '@/shared/chain';
import { partsOf } from './steps';

const checkpoint = (seconds: bigint): DatedStep => ({
  kind: 'attested',
  seconds,
  at: seconds,
  signature: `c${seconds}`,
  time: seconds,
});
const extension: DatedStep = { kind: 'extended', seconds: 600n, most: 1n, signature: 'e', time: 3n };

it('checkpoints between which nothing happened are one, which ends with the last', () => {
  expect(partsOf([checkpoint(1n), checkpoint(2n), extension, checkpoint(4n)])).toEqual([
    { kind: 'attested', count: 2, last: checkpoint(2n) },
    { kind: 'extended', step: extension },
    { kind: 'attested', count: 1, last: checkpoint(4n) },
  ]);
  expect(partsOf([])).toEqual([]);
});
