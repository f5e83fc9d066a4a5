import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { type JobView, jobViewsQuery } from '@/shared/api';
import { jobsOfRenterQuery, type Kinds, mintsQuery, type Read, tokenBalanceQuery, unitOf } from '@/shared/chain';
import { Chart } from '@/shared/chart';
import { config } from '@/shared/config';
import { count, duration, IO, shorten } from '@/shared/format';
import { isFinal, JobTable } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { Amount, Badge, buttonClass, Card, Empty, Loaded, Page, Skeleton, Stat } from '@/shared/ui';
import { useRestoring, useWallet } from '@/shared/wallet';
import { LEASE, runway } from '../job/runway';
import { CloudTabs } from '../tabs';
import { ClosedTable } from './closed';
import { byMint, closedOf, endedOf, spendingByDay } from './spending';

export function JobsPage() {
  const wallet = useWallet();
  const restoring = useRestoring();
  return (
    <Page title="My jobs" lead="Read from the chain: yours whether or not an oracle answers.">
      <CloudTabs />
      {restoring ? (
        <Skeleton className="h-[60rem]" />
      ) : wallet ? (
        <Jobs renter={wallet.address} />
      ) : (
        <Empty title="Connect a wallet to see its jobs">Jobs are found by the address that rents.</Empty>
      )}
    </Page>
  );
}

const asIo = (value: number) => `${value.toLocaleString('en', { maximumFractionDigits: 6 })} IO`;

type Row = Read<Kinds['job']>;

function Jobs({ renter }: { renter: string }) {
  const jobs = useQuery(jobsOfRenterQuery(renter));
  const ended = (jobs.data ?? []).filter(({ data }) => isFinal(data.state)).length;
  const views = useQuery({ ...jobViewsQuery(renter, ended), enabled: jobs.data !== undefined });
  const closed = useMemo(() => closedOf(jobs.data ?? [], views.data?.jobs ?? []), [jobs.data, views.data]);
  return (
    <Loaded query={jobs} skeleton={<Skeleton className="h-[60rem]" />}>
      {(rows) => (
        <div className="flex flex-col gap-4">
          <Leases rows={rows} />
          <Figures renter={renter} rows={rows} closed={closed} views={views} />
          <JobTable
            jobs={rows}
            empty={
              closed.length > 0 ? (
                <Empty title="No jobs on chain now">Those that were closed are below.</Empty>
              ) : (
                <Empty
                  title="No jobs yet"
                  action={
                    <Link to="/cloud/new" className={buttonClass('primary')}>
                      New job
                    </Link>
                  }
                >
                  The first one takes a text file and a signature.
                </Empty>
              )
            }
          />
          {closed.length > 0 && <ClosedTable jobs={closed} />}
        </div>
      )}
    </Loaded>
  );
}

/** Leases that run, the one that ends first above: a renter sees here which needs more time. */
function Leases({ rows }: { rows: Row[] }) {
  const now = useNow();
  const running = rows
    .filter(({ data }) => data.kind === LEASE && data.state === 2)
    .sort((a, b) => Number(a.data.runUntil - b.data.runUntil));
  if (running.length === 0) return null;
  return (
    <Card title="Leases that run">
      <ul className="grid gap-2 text-sm">
        {running.map(({ address, data }) => {
          const { left, low } = runway(data, now);
          return (
            <li key={address} className="flex flex-wrap items-center gap-x-4 gap-y-1">
              <Link to="/cloud/jobs/$job" params={{ job: address }} className="link font-mono">
                {shorten(address, 6, 6)}
              </Link>
              <span className="tabular-nums">{duration(left)} left</span>
              {low && <Badge tone="warn">ends soon: add time</Badge>}
            </li>
          );
        })}
      </ul>
    </Card>
  );
}

interface Views {
  data: { whole: boolean } | undefined;
  error: unknown;
}

/** How much of the history the figures are of. */
function coverage({ data, error }: Views, closed: readonly JobView[]): string {
  if (!data) return error ? 'without closed jobs: the oracle does not answer' : 'closed jobs included';
  return data.whole ? 'closed jobs included' : `with the newest ${count(closed.length)} closed jobs`;
}

function Figures({ renter, rows, closed, views }: { renter: string; rows: Row[]; closed: JobView[]; views: Views }) {
  const { io_mint } = config();
  const mints = useQuery(mintsQuery());
  const balance = useQuery(tokenBalanceQuery(renter, io_mint));
  const ended = useMemo(() => endedOf(rows, closed), [rows, closed]);
  const days = useMemo(() => spendingByDay(ended.filter(({ mint }) => mint === io_mint)), [ended, io_mint]);
  const [[, spent] = ['', 0n], ...spentElse] = byMint(io_mint, ended);
  const open = rows.filter(({ data }) => !isFinal(data.state));
  const [[, escrowed] = ['', 0n], ...escrowedElse] = byMint(
    io_mint,
    open.map(({ data }) => ({ mint: data.mint, cost: data.escrow })),
  );
  const others = (sums: [string, bigint][]) =>
    sums.map(([mint, base]) => (
      <span key={mint}>
        and <Amount base={base} unit={unitOf(mint, mints.data)} />{' '}
      </span>
    ));
  const times = useMemo(() => days.map(({ day }) => day), [days]);
  const series = useMemo(
    () => [{ label: 'spent', bars: true, values: days.map(({ spent }) => Number(spent) / 1e8) }],
    [days],
  );
  const known = views.data !== undefined || views.error !== null;
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        <Stat label="Balance">{balance.data === undefined ? '…' : <Amount base={balance.data} unit={IO} />}</Stat>
        <Stat label="In escrow" note={escrowedElse.length > 0 && others(escrowedElse)}>
          <Amount base={escrowed} unit={IO} />
        </Stat>
        <Stat
          label="Spent, all time"
          note={
            <>
              {others(spentElse)}
              {coverage(views, closed)}
            </>
          }
        >
          {known ? <Amount base={spent} unit={IO} /> : '…'}
        </Stat>
        <Stat label="Jobs">{known ? count(rows.length + closed.length) : '…'}</Stat>
      </div>
      {days.length > 0 && (
        <Card title="Spending by day">
          <Chart
            label={`Spending by day: ${days.length} days, ${asIo(Number(spent) / 1e8)} in all`}
            times={times}
            series={series}
            format={asIo}
            height={160}
          />
        </Card>
      )}
    </>
  );
}
