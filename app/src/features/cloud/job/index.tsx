import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type JobView, jobViewQuery } from '@/shared/api';
import { jobQuery, type Kinds, mintsQuery, NOBODY, type Read, unitOf } from '@/shared/chain';
import { count, duration, fromHex, hex, isZero, shorten } from '@/shared/format';
import { costOf, isFinal, STATE_TONES, type StateName, stateName } from '@/shared/jobs';
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
  Time,
} from '@/shared/ui';
import { filtersOf, VERIFICATION } from '../offers/filters';
import { MeteredNotice } from '../submit/price';
import { CloudTabs } from '../tabs';
import { Actions } from './actions';
import { LeaseCard } from './lease';
import { LeaseWork } from './requests';
import { Result } from './result';
import { LEASE } from './runway';
import { Timeline, Transaction } from './timeline';

type Job = Read<Kinds['job']>;

export function JobPage() {
  const { job: address } = useParams({ from: '/cloud/jobs/$job' });
  const onChain = useQuery(jobQuery(address));
  const view = useQuery(jobViewQuery(address));
  return (
    <Page
      title={`Job ${shorten(address, 6, 6)}`}
      lead={<Hash value={address} head={44} tail={0} label="job" />}
      actions={
        onChain.data && (
          <>
            {isFinal(onChain.data.data.state) && (
              <Link
                to="/cloud/new"
                search={{ ...filtersOf(onChain.data.data), again: address }}
                className={buttonClass('outline')}
              >
                Submit again
              </Link>
            )}
            <Actions job={onChain.data} />
          </>
        )
      }
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
  const { output_hash: outputHash } = view;
  return (
    <div className="flex flex-col gap-4">
      <Card title="Closed on chain">
        <Facts
          rows={[
            [
              'State',
              <Badge key="s" tone={STATE_TONES[view.state as StateName]}>
                {view.state}
              </Badge>,
            ],
            ['Renter', <Hash key="r" value={view.renter} />],
            view.paid != null && ['Paid', <Amount key="p" base={view.paid} unit={unit} />],
            view.fees != null && ['Fees', <Amount key="f" base={view.fees} unit={unit} />],
            view.refunded != null && ['Refunded', <Amount key="b" base={view.refunded} unit={unit} />],
          ]}
        />
        <History view={view} />
      </Card>
      {outputHash && !isZero(fromHex(outputHash)) && (
        <Card title="Result">
          <p className="mb-3 text-muted text-sm">
            The chain has forgotten the job: which result it had, this oracle says. It gives the files out for as long
            as it keeps them.
          </p>
          <Result outputHash={outputHash} specHash={view.spec_hash} source="oracle" />
        </Card>
      )}
    </div>
  );
}

const VERIFICATIONS = [
  `exact: ${VERIFICATION.wasm.text}`,
  `tolerant: ${VERIFICATION.embed.text}`,
  'metered: attested hardware and time, results unchecked',
];

function Live({ job, view, apiError }: { job: Job; view: JobView | null; apiError: unknown }) {
  const mints = useQuery(mintsQuery());
  const { data } = job;
  const unit = unitOf(data.mint, mints.data);
  const name = stateName(data.state);
  const specHash = hex(data.specHash);
  const outputHash = isZero(data.outputHash) ? null : hex(data.outputHash);
  const isLease = data.kind === LEASE;
  const per = isLease ? '1,000 s' : '1,000';
  return (
    <div className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
      <div className="flex min-w-0 flex-col gap-4">
        {apiError != null && !view && (
          <Notice tone="warn">
            The oracle does not answer: progress and verdicts are missing, everything else is from the chain.
          </Notice>
        )}
        {view?.reason && <Notice tone="warn">{view.reason}</Notice>}
        {isLease && data.state === 2 && (
          <>
            <LeaseCard job={job} unit={unit} />
            <LeaseWork job={job} />
          </>
        )}
        {outputHash && (
          <Card title="Result">
            {data.state === 6 && (
              <Notice tone="warn">The oracles found this result wrong; the escrow was refunded.</Notice>
            )}
            {!isFinal(data.state) && (
              <p className="mb-3 text-muted text-sm">Not settled yet: the oracles may still find it wrong.</p>
            )}
            <Result
              outputHash={outputHash}
              specHash={specHash}
              usual={data.verification === VERIFICATION.embed.number ? 3 : 1}
            />
          </Card>
        )}
        <Card title="Timeline">
          <Timeline job={job} view={view} />
        </Card>
      </div>
      <div className="flex min-w-0 flex-col gap-4">
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
                  <Amount base={data.maxPrice} unit={unit} /> / {per}
                </span>,
              ],
              data.ask > 0n && [
                'Accepted ask',
                <span key="a">
                  <Amount base={data.ask} unit={unit} /> / {per}
                </span>,
              ],
              isLease
                ? ['Attested', `${duration(Number(data.units))} of ${duration(Number(data.maxUnits))}`]
                : [
                    'Units',
                    data.units > 0n
                      ? `${count(data.units)} of ${count(data.maxUnits)}`
                      : `at most ${count(data.maxUnits)}`,
                  ],
              isLease && !isFinal(data.state) && ['Paid so far', <Amount key="s" base={data.paid} unit={unit} />],
              isFinal(data.state) && ['Provider got', <Amount key="p" base={data.paid} unit={unit} />],
              isFinal(data.state) && ['Fees', <Amount key="f" base={data.fees} unit={unit} />],
              isFinal(data.state) && ['Refunded', <Amount key="r" base={data.refunded} unit={unit} />],
              isFinal(data.state) && [
                'Cost you',
                <Amount key="c" base={costOf(data)} unit={unit} className="font-semibold" />,
              ],
            ]}
          />
        </Card>
        <Card title="Terms">
          <Facts
            rows={[
              ['Renter', <Hash key="r" value={data.renter} label="renter" />],
              ['Spec', <Hash key="s" value={specHash} label="spec hash" />],
              ['Verified', VERIFICATIONS[data.verification] ?? 'unknown'],
              ['Deadline', <Time key="d" at={data.deadline} />],
              data.device !== NOBODY && ['Device', <Hash key="v" value={data.device} label="device" />],
              data.provider !== NOBODY && ['Provider', <Hash key="p" value={data.provider} label="provider" />],
            ]}
          />
          {isLease && (
            <div className="mt-4">
              <MeteredNotice />
            </div>
          )}
        </Card>
      </div>
    </div>
  );
}

function History({ view }: { view: JobView }) {
  return (
    <ol className="mt-4 flex flex-col gap-2 text-sm">
      {view.history.map((step) => (
        <li key={step.signature + step.to} className="flex flex-wrap items-center gap-2">
          <Badge>{step.to}</Badge> {step.at != null && <Time at={step.at} />}
          <Transaction signature={step.signature} job={view.job} to={step.to} />
        </li>
      ))}
    </ol>
  );
}
