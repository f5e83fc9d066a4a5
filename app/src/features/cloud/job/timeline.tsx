import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { JobView } from '@/shared/api';
import {
  type Kinds,
  leaseStepsQuery,
  mintsQuery,
  type Read,
  type SignedTransaction,
  settlement,
  signedQuery,
  unitOf,
} from '@/shared/chain';
import { count, duration, hex, plural, shorten, size, type Unit, utc } from '@/shared/format';
import { isFinal, STATE_TONES, stateName } from '@/shared/jobs';
import { Amount, Badge, Hash, Progress, Time, type Tone } from '@/shared/ui';
import { Verdicts } from '@/shared/verdicts';
import { LeaseMeter } from './meter';
import { manifestQuery } from './result';
import { LEASE } from './runway';
import { SpecCheck } from './spec';
import { partsOf } from './steps';

type Job = Read<Kinds['job']>;

/** How a lease ended, by `endedBy`. */
const ENDED = ['Its time was over', 'Ended by the renter', 'Ended by the provider'];

interface Entry {
  title: string;
  at: bigint | null;
  tone: Tone;
  body?: ReactNode;
}

const signatureOf = (view: JobView | null, to: string) => view?.history.find((step) => step.to === to)?.signature;

/** The transaction that brought a state, its signatures checked here. */
function Tx({ view, to }: { view: JobView | null; to: string }) {
  const signature = signatureOf(view, to);
  return signature && view ? <Transaction signature={signature} job={view.job} to={to} /> : null;
}

/** What a transaction was found to be. */
function findingOf({
  holds,
  looksUp,
  brings,
  through,
  succeeded,
  signers,
}: SignedTransaction): [Tone, text: string, tip: string] {
  if (!holds) return ['bad', '✗ not signed', 'this is not the transaction that it is said to be'];
  const by = `carries valid Ed25519 signatures of ${signers.map((key) => shorten(key)).join(', ')}`;
  if (looksUp)
    return ['warn', 'signed, not read', `${by}; which accounts it names is in a lookup table, which nobody signed`];
  if (!succeeded) return ['warn', 'signed, not read', `${by}, and names this job, but did not go through`];
  if (!brings)
    return ['warn', 'signed, not read', `${by}, and names this job, but no instruction of it brings this state`];
  if (through)
    return [
      'info',
      '✓ signed',
      `calls program ${shorten(through)} for this job, and ${by}; that the call brought this state, the node says`,
    ];
  return ['good', '✓ signed', `brings this job to this state, and ${by}`];
}

/** A transaction of a job, its signatures checked here: `to` is what it is said to have brought. */
export function Transaction({ signature, job, to }: { signature: string; job: string; to: string }) {
  const signed = useQuery(signedQuery(signature, job, to));
  // The place is kept from the first: what is found moves nothing.
  const unread: [Tone, string, string?] = signed.error
    ? ['quiet', 'not checked', 'the node does not give this transaction now']
    : ['quiet', '… signed?'];
  const [tone, text, tip] = signed.data ? findingOf(signed.data) : unread;
  return (
    <p className="mt-1 flex flex-wrap items-center gap-2 text-muted text-xs">
      <span>
        transaction{' '}
        <Link
          to="/explorer/transactions/$signature"
          params={{ signature }}
          className="link font-mono"
          data-tip={signature}
        >
          {shorten(signature, 6, 6)}
        </Link>
      </span>
      <Badge tone={tone} tip={tip}>
        {text}
      </Badge>
    </p>
  );
}

/** The result's manifest, checked against the hash on chain. */
function ResultLine({ outputHash, specHash }: { outputHash: string; specHash: string }) {
  const manifest = useQuery(manifestQuery(outputHash, specHash));
  if (manifest.error) return <p className="text-bad">{(manifest.error as Error).message}</p>;
  if (!manifest.data) return <p className="min-h-6 text-muted">Reading…</p>;
  const { files } = manifest.data;
  return (
    <p className="flex min-h-6 flex-wrap items-center gap-2">
      {plural(files.length, 'file')}, {size(files.reduce((sum, file) => sum + file.size, 0))}
      <Badge tone="good" tip={`BLAKE3 of its manifest is ${outputHash}, as on chain`}>
        ✓ as on chain
      </Badge>
    </p>
  );
}

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
    <p className="mt-1">
      <Badge
        tone={ok ? 'good' : 'warn'}
        tip="units × ask, fees rounded up, the rest back: recomputed in this browser from the job’s terms"
      >
        {ok ? '✓ settlement adds up' : 'settlement differs from this app’s reckoning'}
      </Badge>
    </p>
  );
}

/** How often a lease was extended, and what of it was brought to account: its newest transactions tell. */
function useLeaseEntries({ address, data }: Job, unit: Unit): Entry[] {
  const steps = useQuery({
    ...leaseStepsQuery(address, `${data.units} ${data.maxUnits} ${data.state}`),
    enabled: data.kind === LEASE && data.acceptedAt > 0n,
  });
  if (!steps.data) {
    return steps.error ? [{ title: 'Extensions and checkpoints can not be read now', at: null, tone: 'quiet' }] : [];
  }
  const entries = partsOf(steps.data.steps).map((part): Entry => {
    if (part.kind === 'extended') {
      const { seconds, most, signature, time } = part.step;
      return {
        title: `Extended by ${duration(Number(seconds))}`,
        at: time,
        tone: 'good',
        body: (
          <>
            <p>
              At most <Amount base={most} unit={unit} /> more in the escrow.
            </p>
            <Transaction signature={signature} job={address} to="extended" />
          </>
        ),
      };
    }
    const { seconds, at, signature, time } = part.last;
    return {
      title: part.count === 1 ? 'Checkpoint' : `${part.count} checkpoints`,
      at: time,
      tone: 'good',
      body: (
        <>
          <p>
            A quorum signed {duration(Number(seconds))} of service in all, counted up to {utc(at)}.
          </p>
          <Transaction signature={signature} job={address} to="attested" />
        </>
      ),
    };
  });
  if (steps.data.whole) return entries;
  const more: Entry = {
    title: 'More extensions and checkpoints',
    at: null,
    tone: 'quiet',
    body: (
      <Link to="/explorer/jobs/$job" params={{ job: address }} className="link">
        The Explorer lists all transactions
      </Link>
    ),
  };
  return [more, ...entries];
}

/** A job's life on one line of time. */
export function Timeline({ job, view }: { job: Job; view: JobView | null }) {
  const { data } = job;
  const mints = useQuery(mintsQuery());
  const unit = unitOf(data.mint, mints.data);
  const name = stateName(data.state);
  const isLease = data.kind === LEASE;
  const steps = useLeaseEntries(job, unit);
  const entries: Entry[] = [
    {
      title: 'Created',
      at: data.createdAt,
      tone: 'good',
      body: (
        <>
          <p>
            <Amount base={data.escrow} unit={unit} /> in this job’s own escrow: at most{' '}
            <Amount base={data.maxPrice} unit={unit} /> / {isLease ? '1,000 s' : '1,000 units'} for{' '}
            {isLease
              ? duration(Number(data.maxUnits))
              : `${count(data.maxUnits)} ${data.maxUnits === 1n ? 'unit' : 'units'}`}
            , and fees.
          </p>
          <SpecCheck specHash={hex(data.specHash)} />
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
            by <Hash value={data.device} label="device" /> for <Amount base={data.ask} unit={unit} /> /{' '}
            {isLease ? '1,000 s' : '1,000 units'}.
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
  if (isLease && data.acceptedAt > 0n) {
    entries.push(...steps, {
      title: data.state === 2 ? 'Serving, metered by the oracles' : 'Served, metered by the oracles',
      at: data.submittedAt > 0n ? data.submittedAt : null,
      tone: data.state === 2 ? 'info' : 'good',
      body: (
        <>
          <p>
            {duration(Number(data.units))} attested on chain, <Amount base={data.paid} unit={unit} /> paid for them.
          </p>
          {data.state === 2 && <LeaseMeter job={job} />}
        </>
      ),
    });
  } else if (data.state === 2) {
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
  if (data.submittedAt > 0n && !isLease) {
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
      body: <Verdicts job={job} />,
    });
  }
  if (data.submittedAt > 0n && !isLease) {
    entries.push({
      title: 'Result',
      at: null,
      tone: data.state === 6 ? 'bad' : 'good',
      body: <ResultLine outputHash={hex(data.outputHash)} specHash={hex(data.specHash)} />,
    });
  }
  if (data.state === 4)
    entries.push({
      title: 'Disputed',
      at: null,
      tone: 'warn',
      body: <p>Every oracle runs it now. Decided by {utc(data.disputeUntil)}, or refunded.</p>,
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
      title: isLease && name === 'settled' ? (ENDED[data.endedBy] ?? 'Ended') : name[0]?.toUpperCase() + name.slice(1),
      at: data.finishedAt,
      tone: STATE_TONES[name],
      body: (
        <>
          <p>
            <Amount base={data.paid} unit={unit} /> to the provider, <Amount base={data.fees} unit={unit} /> fees,{' '}
            <Amount base={data.refunded} unit={unit} /> back to the payer.
          </p>
          {data.state === 5 && <SettlementCheck job={job} />}
          <Tx view={view} to={name} />
        </>
      ),
    });
  }
  return (
    <ol className="flex flex-col" data-testid="timeline">
      {entries.map((entry, i) => (
        <li key={`${entry.title} ${entry.at}`} className="relative flex gap-3 pb-5 last:pb-0">
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
