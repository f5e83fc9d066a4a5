import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type JobView, jobViewQuery } from '@/shared/api';
import { jobQuery, type Kinds, mintsQuery, NOBODY, type Read, unitOf } from '@/shared/chain';
import { count, hex, isZero, shorten } from '@/shared/format';
import { costOf, STATE_TONES, stateName } from '@/shared/jobs';
import {
  Amount,
  Badge,
  buttonClass,
  Card,
  Empty,
  Facts,
  Failure,
  Hash,
  Loaded,
  Notice,
  Page,
  Skeleton,
  Stat,
  Time,
} from '@/shared/ui';
import { Verdicts } from '@/shared/verdicts';
import { Activity } from './activity';
import { DeviceLink, ProviderLink, SearchLink, TransactionLink } from './links';
import { Listing } from './listing';
import { ExplorerTabs } from './tabs';

export function JobPage() {
  const { job: at } = useParams({ from: '/explorer/jobs/$job' });
  const job = useQuery(jobQuery(at));
  const view = useQuery(jobViewQuery(at));
  // One below the other, in this order: what comes later never pushes away what is read. An oracle that fails holds up nothing.
  const settled = !job.isPending && (!view.isPending || view.failureCount > 0);
  return (
    <Page
      title={`Job ${shorten(at, 6, 6)}`}
      lead={<Hash value={at} head={44} tail={0} label="job" />}
      actions={
        <Link to="/cloud/jobs/$job" params={{ job: at }} className={buttonClass('outline')}>
          Timeline and result
        </Link>
      }
    >
      <ExplorerTabs />
      <div className="flex flex-col gap-4">
        <Loaded query={job} skeleton={<Skeleton className="h-[60rem]" />}>
          {(read) => {
            if (read) return <Shown job={read} />;
            if (view.isPending) return <Skeleton className="h-40" />;
            if (view.error) return <Failure error={view.error} retry={() => view.refetch()} />;
            if (!view.data)
              return <Empty title="No such job">Neither the chain nor this oracle knows it. Check the address.</Empty>;
            return <Notice>Its account was closed: {view.data.state}. What the oracle remembers is below.</Notice>;
          }}
        </Loaded>
        {settled && view.data && <History view={view.data} />}
        {settled && <Activity of={at} />}
      </div>
    </Page>
  );
}

function History({ view }: { view: JobView }) {
  return (
    <Listing
      caption="History"
      file={`job-${view.job.slice(0, 8)}-history`}
      note="As the oracle’s index saw it."
      rows={view.history}
      rowKey={(row) => `${row.signature}${row.to}`}
      record={(row) => ({ from: row.from, to: row.to, signature: row.signature, slot: row.slot, at: row.at ?? null })}
      columns={[
        { header: 'From', accessorKey: 'from' },
        { header: 'To', accessorKey: 'to' },
        {
          header: 'Transaction',
          id: 'signature',
          enableSorting: false,
          cell: ({ row }) => <TransactionLink id={row.original.signature} />,
        },
        { header: 'Slot', id: 'slot', accessorFn: (row) => row.slot, cell: ({ row }) => count(row.original.slot) },
        {
          header: 'Time',
          id: 'time',
          accessorFn: (row) => row.at ?? 0,
          cell: ({ row }) => (row.original.at ? <Time at={row.original.at} /> : '—'),
        },
      ]}
    />
  );
}

function Shown({ job }: { job: Read<Kinds['job']> }) {
  const { data } = job;
  const mints = useQuery(mintsQuery());
  const unit = unitOf(data.mint, mints.data);
  const state = stateName(data.state);
  const hash = (value: unknown, label: string) =>
    isZero(value as Uint8Array) ? (
      'none yet'
    ) : (
      <Hash value={hex(value as Uint8Array)} head={10} tail={10} label={label} />
    );
  const money = (base: bigint) => <Amount base={base} unit={unit} />;
  const time = (at: bigint) => at > 0n && <Time at={at} />;
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-5">
        <Stat label="State">
          <Badge tone={STATE_TONES[state]}>{state}</Badge>
        </Stat>
        <Stat label="Escrow">{money(data.escrow)}</Stat>
        <Stat label="Cost">{money(costOf(data))}</Stat>
        <Stat label="Paid" note="to the provider">
          {money(data.paid)}
        </Stat>
        <Stat label="Refunded">{money(data.refunded)}</Stat>
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title="Who and what">
          <Facts
            rows={[
              ['Renter', <SearchLink key="r" id={data.renter} />],
              data.payer !== data.renter && ['Payer', <SearchLink key="p" id={data.payer} />],
              ['Provider', data.provider === NOBODY ? 'none yet' : <ProviderLink key="v" id={data.provider} />],
              ['Device', data.device === NOBODY ? 'none yet' : <DeviceLink key="d" id={data.device} />],
              data.challenger !== NOBODY && ['Disputed by', <SearchLink key="c" id={data.challenger} />],
              ['Mint', <Hash key="m" value={data.mint} label="mint" />],
              ['Most units', count(data.maxUnits)],
              ['Units', count(data.units)],
              ['Price of 1,000', data.ask > 0n ? money(data.ask) : <span key="x">at most {money(data.maxPrice)}</span>],
              ['Fees', money(data.fees)],
              data.penaltyDue > 0n && ['Penalty due', money(data.penaltyDue)],
            ]}
          />
        </Card>
        <Card title="When, and proofs">
          <Facts
            rows={[
              ['Created', <Time key="c" at={data.createdAt} />],
              data.acceptedAt > 0n && ['Accepted', time(data.acceptedAt)],
              data.submittedAt > 0n && ['Submitted', time(data.submittedAt)],
              data.finishedAt > 0n && ['Finished', time(data.finishedAt)],
              ['Deadline', <Time key="d" at={data.deadline} />],
              ['Spec', hash(data.specHash, 'spec hash')],
              ['Output', hash(data.outputHash, 'output hash')],
              ['Trace', hash(data.traceRoot, 'trace root')],
            ]}
          />
        </Card>
      </div>
      {data.kind === 0 && data.submittedAt > 0n && (
        <Card title="What oracles say of the result">
          <Verdicts job={job} />
        </Card>
      )}
    </>
  );
}
