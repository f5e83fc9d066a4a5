import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { jobsOfRenterQuery, type Kinds, type Read, tokenBalanceQuery } from '@/shared/chain';
import { Chart } from '@/shared/chart';
import { useConfig } from '@/shared/config/use-config';
import { duration, IO, shorten } from '@/shared/format';
import { costOf, isFinal, JobTable } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { Amount, Badge, buttonClass, Card, Empty, Loaded, Page, Skeleton, Stat } from '@/shared/ui';
import { useRestoring, useWallet } from '@/shared/wallet';
import { LEASE, runway } from '../job/runway';
import { CloudTabs } from '../tabs';
import { spendingByDay } from './spending';

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

function Jobs({ renter }: { renter: string }) {
  const jobs = useQuery(jobsOfRenterQuery(renter));
  const config = useConfig();
  const balance = useQuery(tokenBalanceQuery(renter, config.io_mint));
  return (
    <Loaded query={jobs} skeleton={<Skeleton className="h-[60rem]" />}>
      {(rows) => (
        <div className="flex flex-col gap-4">
          <Leases rows={rows} />
          <Figures rows={rows} mint={config.io_mint} balance={balance.data} />
          <JobTable
            jobs={rows}
            empty={
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
            }
          />
        </div>
      )}
    </Loaded>
  );
}

/** Leases that run, the one that ends first above: a renter sees here which needs more time. */
function Leases({ rows }: { rows: Read<Kinds['job']>[] }) {
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

function Figures({ rows, mint, balance }: { rows: Read<Kinds['job']>[]; mint: string; balance: bigint | undefined }) {
  const inIo = useMemo(() => rows.filter((row) => row.data.mint === mint), [rows, mint]);
  const days = useMemo(() => spendingByDay(inIo.map((row) => row.data)), [inIo]);
  const spent = inIo.filter((row) => isFinal(row.data.state)).reduce((sum, row) => sum + costOf(row.data), 0n);
  const escrowed = inIo.filter((row) => !isFinal(row.data.state)).reduce((sum, row) => sum + row.data.escrow, 0n);
  const times = useMemo(() => days.map(({ day }) => day), [days]);
  const series = useMemo(
    () => [{ label: 'spent', bars: true, values: days.map(({ spent }) => Number(spent) / 1e8) }],
    [days],
  );
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        <Stat label="Balance">{balance === undefined ? '…' : <Amount base={balance} unit={IO} />}</Stat>
        <Stat label="In escrow">
          <Amount base={escrowed} unit={IO} />
        </Stat>
        <Stat label="Spent, all time">
          <Amount base={spent} unit={IO} />
        </Stat>
        <Stat label="Jobs">{rows.length}</Stat>
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
