/** What the newest epochs emitted, and what of it was given to devices. */
import { queryOptions } from '@tanstack/react-query';
import { api, takeMaybe } from '@/shared/api';
import { fetchAccount, membersOf, pda } from '@/shared/chain';
import { epochEmission } from './emission';
import { signedBy } from './epoch';

/** Epochs shown. */
const EPOCHS_SHOWN = 24;

export interface EpochFigures {
  epoch: number;
  /** Base units by the schedule. */
  emitted: bigint;
  /** Base units that the published root gave to devices; null where no root of the epoch is known. */
  rewarded: bigint | null;
}

/** `totals`: of published roots, by epoch, what all leaves came to. An epoch's own part is what the root before did not have. */
export function figuresOf(last: number, totals: ReadonlyMap<number, bigint>): EpochFigures[] {
  const first = Math.max(1, last - EPOCHS_SHOWN + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const epoch = first + i;
    const total = totals.get(epoch);
    const before = epoch === 1 ? 0n : totals.get(epoch - 1);
    const rewarded = total === undefined || before === undefined ? null : total - before;
    return { epoch, emitted: epochEmission(epoch), rewarded };
  });
}

/** Roots are taken from oracles' signatures that hold. */
export const rewardHistoryQuery = (rootEpoch: bigint) =>
  queryOptions({
    queryKey: ['rewards', 'history', rootEpoch.toString()],
    enabled: rootEpoch > 0n,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async ({ signal }): Promise<EpochFigures[]> => {
      const last = Number(rootEpoch);
      const set = await fetchAccount('oracleSet', await pda.oracleSet(), signal);
      const oracles = membersOf(set?.data);
      const epochs = Array.from({ length: EPOCHS_SHOWN + 1 }, (_, i) => last - i).filter((epoch) => epoch > 0);
      const answers = await Promise.all(
        epochs.map((epoch) => takeMaybe(api().GET('/v1/rewards/{epoch}', { params: { path: { epoch } }, signal }))),
      );
      const totals = new Map<number, bigint>();
      for (const answer of answers) {
        const signed = answer?.signed;
        // Each takes milliseconds: the page stays smooth between.
        await new Promise((resolve) => setTimeout(resolve));
        if (signed && signedBy(signed, oracles)) totals.set(signed.epoch, BigInt(signed.total));
      }
      return figuresOf(last, totals);
    },
  });
