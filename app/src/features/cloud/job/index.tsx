import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type JobView, jobViewQuery } from '@/shared/api';
import { jobQuery, type Kinds, mintsQuery, type Read, settlement, unitOf } from '@/shared/chain';
import { count, hex, isZero, shorten, utc } from '@/shared/format';
import { costOf, isFinal, STATE_TONES, stateName } from '@/shared/jobs';
import {
  Amount,
  Badge,
  Card,
  Empty,
  Facts,
  Failure,
  Hash,
  Loaded,
  Notice,
  Page,
  Progress,
  Skeleton,
  Time,
  type Tone,
} from '@/shared/ui';
import { CloudTabs } from '../tabs';
import { Actions } from './actions';
import { Attestations } from './attestations';
import { LeaseCard } from './lease';
import { Result } from './result';
import { LEASE } from './runway';

type Job = Read<Kinds['job']>;

export function JobPage() {
  const { job: address } = useParams({ from: '/cloud/jobs/$job' });
  const onChain = useQuery(jobQuery(address));
  const view = useQuery(jobViewQuery(address));
  return (
    <Page
      title={`Job ${shorten(address, 6, 6)}`}
      lead={<Hash value={address} head={44} tail={0} label="job" />}
      actions={onChain.data && <Actions job={onChain.data} />}
    >
      <CloudTabs />
      <Loaded query={onChain} skeleton={<Skeleton className="h-96" />}>
        {(job) =>
          job ? (
            <Live job={job} view={view.data ?? null} apiError={view.error} />
          ) : (
            <Closed view={view.data ?? null} pending={view.isPending} error={view.error} />
          )
        }
      </Loaded>
    </Page>
  );
}

/** A job whose account was closed: what the oracles remember of it. */
function Closed({ view, pending, error }: { view: JobView | null; pending: boolean; error: unknown }) {
  const mints = useQuery(mintsQuery());
  if (pending) return <Skeleton className="h-40" />;
  if (error) return <Failure error={error} />;
  if (!view)
    return (
      <Empty title="There is no such job on this chain">
        Check the address. A job that was just created appears by itself.
      </Empty>
    );
  const unit = unitOf(view.mint, mints.data);
  return (
    <Card title="Closed on chain">
      <Facts
        rows={[
          ['State', <Badge key="s">{view.state}</Badge>],
          ['Renter', <Hash key="r" value={view.renter} />],
          view.paid != null && ['Paid', <Amount key="p" base={view.paid} unit={unit} />],
          view.refunded != null && ['Refunded', <Amount key="b" base={view.refunded} unit={unit} />],
        ]}
      />
      <History view={view} />
    </Card>
  );
}

const VERIFICATIONS = [
  'exact: run again, every bit compared',
  'tolerant: an unforeseeable sample run again',
  'metered: attested hardware and time; nobody checks that results are right',
];

function Live({ job, view, apiError }: { job: Job; view: JobView | null; apiError: unknown }) {
  const mints = useQuery(mintsQuery());
  const { data } = job;
  const unit = unitOf(data.mint, mints.data);
  const name = stateName(data.state);
  const specHash = hex(data.specHash);
  const outputHash = isZero(data.outputHash) ? null : hex(data.outputHash);
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
      <div className="flex min-w-0 flex-col gap-4">
        {apiError != null && !view && (
          <Notice tone="warn">
            The oracle does not answer: progress and verdicts are missing, everything else is from the chain.
          </Notice>
        )}
        {view?.reason && <Notice tone="warn">{view.reason}</Notice>}
        <Card title="Timeline">
          <Timeline job={job} view={view} />
        </Card>
        {outputHash && (
          <Card title="Result">
            {data.state === 6 && (
              <Notice tone="warn">The oracles found this result wrong; the escrow was refunded.</Notice>
            )}
            {!isFinal(data.state) && (
              <p className="mb-3 text-muted text-sm">Not settled yet: the oracles may still find it wrong.</p>
            )}
            <Result outputHash={outputHash} specHash={specHash} />
          </Card>
        )}
      </div>
      <div className="flex min-w-0 flex-col gap-4">
        {data.kind === LEASE && data.state === 2 && <LeaseCard job={job} unit={unit} />}
        <Card
          title="Money"
          actions={
            <span data-testid="state">
              <Badge tone={STATE_TONES[name]}>{name}</Badge>
            </span>
          }
        >
          <Facts
            rows={[
              ['Escrowed', <Amount key="e" base={data.escrow} unit={unit} />],
              [
                'Price limit',
                <span key="l">
                  <Amount base={data.maxPrice} unit={unit} /> / 1,000
                </span>,
              ],
              data.ask > 0n && [
                'Accepted ask',
                <span key="a">
                  <Amount base={data.ask} unit={unit} /> / 1,000
                </span>,
              ],
              [
                'Units',
                `${data.units > 0n ? count(data.units) : 'at most'} ${data.units > 0n ? 'of' : ''} ${count(data.maxUnits)}`,
              ],
              isFinal(data.state) && ['Provider got', <Amount key="p" base={data.paid} unit={unit} />],
              isFinal(data.state) && ['Fees', <Amount key="f" base={data.fees} unit={unit} />],
              isFinal(data.state) && ['Refunded', <Amount key="r" base={data.refunded} unit={unit} />],
              isFinal(data.state) && [
                'Cost you',
                <Amount key="c" base={costOf(data)} unit={unit} className="font-semibold" />,
              ],
            ]}
          />
          {data.state === 5 && data.kind !== LEASE && <SettlementCheck job={job} />}
        </Card>
        <Card title="Terms">
          <Facts
            rows={[
              ['Renter', <Hash key="r" value={data.renter} label="renter" />],
              ['Spec', <Hash key="s" value={specHash} label="spec hash" />],
              ['Verified', VERIFICATIONS[data.verification] ?? 'unknown'],
              ['Deadline', <Time key="d" at={data.deadline} />],
              !isZeroKey(data.device) && ['Device', <Hash key="v" value={data.device} label="device" />],
              !isZeroKey(data.provider) && ['Provider', <Hash key="p" value={data.provider} label="provider" />],
            ]}
          />
        </Card>
      </div>
    </div>
  );
}

const isZeroKey = (key: string) => key === '11111111111111111111111111111111';

/** Settlement reckoned again here. */
function SettlementCheck({ job: { data } }: { job: Job }) {
  const due = settlement(data.escrow, data.units, data.ask, {
    reserveBps: data.reserveBps,
    paymentBps: data.paymentBps,
    providerBps: data.providerReserveBps,
  });
  // Donations to a vault go back to the payer, so the refund can only be more.
  const ok = due.provider === data.paid && due.treasury === data.fees && data.refunded >= due.payer;
  return (
    <p className="mt-3">
      <Badge
        tone={ok ? 'good' : 'warn'}
        tip="units × ask, fees rounded up, the rest back: recomputed in this browser from the job’s terms"
      >
        {ok ? '✓ settlement adds up' : 'settlement differs from this app’s reckoning'}
      </Badge>
    </p>
  );
}

interface Entry {
  title: string;
  at: bigint | null;
  tone: Tone;
  body?: ReactNode;
}

const signatureOf = (view: JobView | null, to: string) => view?.history.find((step) => step.to === to)?.signature;

function Tx({ view, to }: { view: JobView | null; to: string }) {
  const signature = signatureOf(view, to);
  return signature ? (
    <p className="text-muted text-xs">
      transaction <Hash value={signature} label="transaction" />
    </p>
  ) : null;
}

function Timeline({ job, view }: { job: Job; view: JobView | null }) {
  const { data } = job;
  const mints = useQuery(mintsQuery());
  const unit = unitOf(data.mint, mints.data);
  const name = stateName(data.state);
  const entries: Entry[] = [
    {
      title: 'Created',
      at: data.createdAt,
      tone: 'good',
      body: (
        <>
          <p>
            <Amount base={data.escrow} unit={unit} /> in this job’s own escrow.
          </p>
          <Tx view={view} to="open" />
        </>
      ),
    },
  ];
  if (data.acceptedAt > 0n) {
    entries.push({
      title: 'Accepted',
      at: data.acceptedAt,
      tone: 'good',
      body: (
        <>
          <p>
            by <Hash value={data.device} label="device" /> for <Amount base={data.ask} unit={unit} /> / 1,000 units.
          </p>
          <Tx view={view} to="running" />
        </>
      ),
    });
  } else if (data.state === 1) {
    entries.push({
      title: view?.stage === 'matched' ? 'Matched: the device is taking it' : 'Waiting for a device',
      at: null,
      tone: 'info',
    });
  }
  if (data.state === 2) {
    const progress = view?.progress;
    entries.push({
      title: progress ? `Running: ${progress.phase}` : 'Running',
      at: null,
      tone: 'info',
      body: progress && (
        <>
          <Progress label="Work done" value={progress.done} max={progress.total} />
          <p className="mt-1 text-muted text-xs">
            {count(progress.done)} of {count(progress.total)}, as the device says
          </p>
        </>
      ),
    });
  }
  if (data.submittedAt > 0n) {
    entries.push({
      title: 'Result submitted',
      at: data.submittedAt,
      tone: 'good',
      body: (
        <>
          <p>
            {count(data.units)} {data.units === 1n ? 'unit' : 'units'}, output{' '}
            <Hash value={hex(data.outputHash)} label="output hash" />, trace{' '}
            <Hash value={hex(data.traceRoot)} label="trace root" />
          </p>
          <Tx view={view} to="submitted" />
        </>
      ),
    });
    entries.push({
      title: 'Verified by oracles, and their signatures here',
      at: null,
      tone: 'info',
      body: <Attestations job={job} />,
    });
  }
  if (data.state === 4)
    entries.push({
      title: 'Disputed',
      at: null,
      tone: 'warn',
      body: <p>Decided by {utc(data.disputeUntil)}, or refunded.</p>,
    });
  if (data.state === 3)
    entries.push({
      title: 'Challenge window',
      at: null,
      tone: 'warn',
      body: <p>Disputes are heard until {utc(data.challengeUntil)}; a quorum settles sooner.</p>,
    });
  if (isFinal(data.state)) {
    entries.push({
      title: name[0]?.toUpperCase() + name.slice(1),
      at: data.finishedAt,
      tone: STATE_TONES[name],
      body: (
        <>
          <p>
            <Amount base={data.paid} unit={unit} /> to the provider, <Amount base={data.fees} unit={unit} /> fees,{' '}
            <Amount base={data.refunded} unit={unit} /> back to the payer.
          </p>
          <Tx view={view} to={name} />
        </>
      ),
    });
  }
  return (
    <ol className="flex flex-col" data-testid="timeline">
      {entries.map((entry, i) => (
        <li key={entry.title} className="relative flex gap-3 pb-5 last:pb-0">
          {i < entries.length - 1 && <span aria-hidden className="absolute top-4 bottom-0 left-[5px] w-px bg-line" />}
          <span aria-hidden className={`mt-1.5 size-[11px] shrink-0 rounded-full ${DOTS[entry.tone]}`} />
          <div className="min-w-0 flex-1">
            <div className="flex flex-wrap items-baseline justify-between gap-x-3">
              <h3 className="font-medium text-sm">{entry.title}</h3>
              {entry.at !== null && <Time at={entry.at} className="text-muted text-xs" />}
            </div>
            <div className="mt-1 text-sm">{entry.body}</div>
          </div>
        </li>
      ))}
    </ol>
  );
}

const DOTS: Record<Tone, string> = {
  good: 'bg-good',
  bad: 'bg-bad',
  warn: 'bg-warn',
  info: 'bg-accent',
  quiet: 'bg-muted',
};

function History({ view }: { view: JobView }) {
  return (
    <ol className="mt-4 flex flex-col gap-2 text-sm">
      {view.history.map((step) => (
        <li key={step.signature + step.to} className="flex flex-wrap gap-2">
          <Badge>{step.to}</Badge> slot {count(step.slot)} <Hash value={step.signature} label="transaction" />
        </li>
      ))}
    </ol>
  );
}
