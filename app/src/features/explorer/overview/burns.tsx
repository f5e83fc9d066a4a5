import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { burnsQuery } from '@/shared/api';
import { buyBacksQuery, mintsQuery } from '@/shared/chain';
import { Chart } from '@/shared/chart';
import { config } from '@/shared/config';
import { IO } from '@/shared/format';
import { useNow } from '@/shared/live';
import { Amount, Badge, Card, Empty, Failure, Skeleton } from '@/shared/ui';
import { ExportButtons } from '../listing';
import { BURN_CAUSES, burnCurve, burnedBy, burnSum } from '../totals';
import { Bars } from './bars';
import { exactIo, inIo } from './figures';

/** Days of a network's life in which its burns are shown by the hour. */
const BY_HOUR_DAYS = 30;
const DAY = 86_400;

/** What burned, over time and by its cause. `all` is what the chain's supply lacks, base units; `since` the genesis. */
export function Burns({ all, since }: { all: bigint | null; since: number }) {
  const now = useNow(60_000);
  const mints = useQuery(mintsQuery());
  const rules = useQuery(buyBacksQuery());
  const step = now - since > BY_HOUR_DAYS * DAY ? 'day' : 'hour';
  const told = useQuery({ ...burnsQuery(step), placeholderData: keepPreviousData });
  const minute = Math.floor(now / 60) * 60;
  const curve = useMemo(() => told.data && burnCurve(told.data, since, minute), [told.data, since, minute]);
  const swept = mints.data?.find((one) => one.data.mint === config().io_mint)?.data.burned;
  const bought = rules.data?.reduce((sum, { data }) => sum + data.burned, 0n);
  const known = all !== null && swept !== undefined && bought !== undefined;
  const sum = told.data && burnSum(told.data);
  const parts = burnedBy(all ?? 0n, swept ?? 0n, bought ?? 0n, sum);
  const agrees = known && sum && sum.fees === swept && sum.buy_backs === bought;
  return (
    <div className="grid gap-4 lg:grid-cols-3">
      <Card
        title="Burned over time"
        className="lg:col-span-2"
        actions={
          told.data &&
          told.data.steps.length > 0 && (
            <ExportButtons
              name="burned-over-time"
              rows={() =>
                (told.data?.steps ?? []).map(({ at, burned }) => ({
                  begins: at,
                  ...Object.fromEntries(BURN_CAUSES.map(({ key }) => [`${key}_base_units`, BigInt(burned[key])])),
                }))
              }
            />
          )
        }
      >
        {curve && curve.series.length > 0 ? (
          <>
            <Chart
              label={`IO burned since the genesis, by its cause: ${curve.series.map(({ label }) => label.toLowerCase()).join(', ')}`}
              times={curve.times}
              series={curve.series}
              format={inIo}
              exact={exactIo}
              height={200}
            />
            <p className="mt-2 flex flex-wrap items-center gap-2 text-muted text-sm">
              <span>By the program’s events, as the oracle read them.</span>
              {agrees && (
                <Badge tone="good" tip="Fees and buy-backs add up to what the chain’s own accounts say they burned">
                  ✓ as on chain
                </Badge>
              )}
            </p>
          </>
        ) : told.isPending ? (
          <Skeleton className="h-56" />
        ) : told.error ? (
          <Failure error={told.error} retry={() => told.refetch()} />
        ) : (
          <Empty title="Nothing has burned yet">
            Fees burn when the treasury is swept, penalties when they are upheld, and what the treasury buys back at
            once.
          </Empty>
        )}
      </Card>
      <Card title="Burned">
        <Bars
          label="Burned, by cause"
          rows={parts.map(({ key, label, base }) => ({
            key,
            label,
            value: Number(base) / 1e8,
            text: <Amount base={base} unit={IO} />,
          }))}
        />
        <p className="mt-3 text-muted text-sm">
          {known ? (
            <>
              <Amount base={all} unit={IO} /> in all, gone for good, by the chain’s supply; fees and buy-backs by its
              accounts.{' '}
              {sum
                ? 'Penalties and bonds as the oracle read them.'
                : 'The oracle does not answer: penalties are the rest.'}{' '}
              Fees burn when the treasury is swept.
            </>
          ) : (
            'Reading…'
          )}
        </p>
      </Card>
    </div>
  );
}
