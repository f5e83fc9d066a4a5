import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { type Quote, quoteQuery, type Schemas } from '@/shared/api';
import {
  classesQuery,
  jobRentQuery,
  mintsQuery,
  SendFailure,
  solBalanceQuery,
  tokenBalanceQuery,
  unitOf,
} from '@/shared/chain';
import { config } from '@/shared/config';
import { duration, exact, plural, SOL, size, type Unit } from '@/shared/format';
import {
  Amount,
  Button,
  Card,
  Facts,
  Failure,
  Notice,
  Outdated,
  Percent,
  Progress,
  SelectField,
  Skeleton,
  TextField,
} from '@/shared/ui';
import { useWallet, WalletButton } from '@/shared/wallet';
import { type Engine, hourOfLease, requirementOf, VERIFICATION } from '../offers/filters';
import { type Price, priceOf } from './order';
import { RUN_SECONDS, unitsText } from './spec';
import { isBusy, type Phase, type Submitting } from './use-submit';
import type { Prepared } from './work';

const DEADLINES = [
  [3_600, '1 hour'],
  [6 * 3_600, '6 hours'],
  [86_400, '1 day'],
  [3 * 86_400, '3 days'],
] as const;
/** More than a transaction's fee comes to, lamports. */
const FEE_LAMPORTS = 1_000_000n;

/** What is signed, as it is shown: while it is uploaded and signed, nothing of it changes. */
interface Order {
  prepared: Prepared;
  quote: Quote;
  price: Price;
  mint: string;
  unit: Unit;
  requirement: Schemas['Requirement'];
  /** Seconds. */
  deadline: number;
}

/** What it costs, at most; and the one signature. */
export function PriceCard({
  engine,
  prepared,
  submitting: { phase, submit, stop },
}: {
  engine: Engine;
  prepared: Prepared | null;
  submitting: Submitting;
}) {
  const filters = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate({ from: '/cloud/new' });
  const wallet = useWallet();
  const { io_mint } = config();
  const mints = useQuery(mintsQuery());
  const [mint, setMint] = useState(io_mint);
  const [limit, setLimit] = useState('');
  const [deadline, setDeadline] = useState<number>(3_600);
  /** The price filter for which the renter chose to wait. */
  const [waitsAt, setWaitsAt] = useState<string | undefined>();
  const [sent, setSent] = useState<Order | null>(null);
  const unit = unitOf(mint, mints.data);
  const requirement = requirementOf(filters);
  const request = prepared && { engine, units: Number(prepared.units), requirement, mint };
  const quote = useQuery({
    ...quoteQuery(request),
    // Other devices' prices of the same work hold the place; another token's, or other work's, say nothing.
    placeholderData: (before) => (before?.engine === engine && before.mint === mint ? before : undefined),
  });
  const balance = useQuery(tokenBalanceQuery(wallet?.address ?? null, mint));
  const sol = useQuery(solBalanceQuery(wallet?.address ?? null));
  const rent = useQuery(jobRentQuery());
  const busy = isBusy(phase);
  const isLease = engine === 'lease';
  // The price filter of the offers page, which its link brings along.
  const cap = filters.price && mint === io_mint ? BigInt(filters.price) : null;
  const present: Order | null =
    prepared && quote.data
      ? {
          prepared,
          quote: quote.data,
          price: priceOf(prepared.units, quote.data, limit, unit, cap),
          mint,
          unit,
          requirement,
          deadline,
        }
      : null;
  const order = busy ? sent : present;
  const price = order?.price;
  const short = price?.escrow !== undefined && balance.data !== undefined && balance.data < price.escrow;
  const needed = rent.data === undefined ? undefined : rent.data + FEE_LAMPORTS;
  const shortOfSol = needed !== undefined && sol.data !== undefined && sol.data < needed;
  const run = prepared?.longest ?? RUN_SECONDS;
  const tooLate = !isLease && run > deadline;
  const least = price?.least ?? null;
  const waits = least === null || waitsAt === filters.price;
  const known = order !== null && !quote.isPlaceholderData && unit.decimals !== null;
  const funded = balance.data !== undefined && !short && needed !== undefined && sol.data !== undefined && !shortOfSol;

  async function go() {
    if (!wallet || !present || present.price.escrow === undefined) return;
    setSent(present);
    const job = await submit(wallet, present.prepared.spec, present.prepared.uploads, {
      mint: present.mint,
      maxPrice: present.price.maxPrice,
      maxUnits: present.prepared.units,
      escrow: present.price.escrow,
      within: present.deadline,
      maxRunSeconds: run,
      requirement: present.requirement,
      verification: VERIFICATION[engine].number,
      isLease,
    });
    if (job) await navigate({ to: '/cloud/jobs/$job', params: { job } });
  }

  if (!prepared) {
    return (
      <Card title="Price">
        <p className="text-muted text-sm">
          {isLease
            ? 'Say how long, and what is ready on it: the price is asked from the devices that are free now.'
            : 'Choose a file: its price is asked from the devices that are free now.'}
        </p>
      </Card>
    );
  }
  const unread = [balance, sol, rent].find(({ data, error }) => data === undefined && error !== null);
  return (
    <Card title="Price">
      <div className="flex flex-col gap-4">
        {order ? (
          <Outdated when={!known && !busy} className="flex flex-col gap-4">
            <Quoted engine={engine} order={order} held={wallet ? (balance.data ?? null) : undefined} />
          </Outdated>
        ) : quote.error ? (
          <Failure error={quote.error} retry={() => quote.refetch()} />
        ) : (
          <Skeleton className="h-52" />
        )}
        <fieldset disabled={busy} className="flex min-w-0 flex-col gap-4">
          <div className="grid gap-3 sm:grid-cols-2">
            <SelectField label="Pay in" value={mint} onChange={(event) => setMint(event.target.value)}>
              {!mints.data && <option value={io_mint}>IO</option>}
              {(mints.data ?? [])
                .filter((one) => one.data.enabled === 1)
                .map((one) => (
                  <option key={one.address} value={one.data.mint}>
                    {unitOf(one.data.mint, mints.data).symbol}
                  </option>
                ))}
            </SelectField>
            <SelectField
              label={isLease ? 'Must begin within' : 'Deadline'}
              value={deadline}
              error={tooLate ? `the longest run takes ${duration(run)} with its storing: choose a later one` : null}
              onChange={(event) => setDeadline(Number(event.target.value))}
            >
              {DEADLINES.map(([seconds, name]) => (
                <option key={seconds} value={seconds}>
                  {name}
                </option>
              ))}
            </SelectField>
          </div>
          <TextField
            label={`Pay at most, ${unit.symbol}`}
            inputMode="decimal"
            placeholder={
              price?.suggested
                ? exact(price.suggested, { ...unit, symbol: '' })
                    .trim()
                    .replaceAll(',', '')
                : 'amount'
            }
            hint={`What is escrowed, fees included. Empty: what the median device asks${cap === null ? '' : `, or your filter’s ${exact(cap, unit)} / 1,000 if that is less`}.`}
            error={price?.error}
            value={limit}
            onChange={(event) => setLimit(event.target.value)}
          />
          {least !== null && (
            <Notice tone="warn">
              <p>
                No device asks so little: the least is <Amount base={least} unit={unit} /> / 1,000.
              </p>
              <div className="mt-2 flex flex-wrap items-center gap-x-4 gap-y-2">
                <Button
                  onClick={() => navigate({ search: (before) => ({ ...before, price: undefined }), replace: true })}
                >
                  Pay what devices ask
                </Button>
                <label className="flex items-center gap-2">
                  <input
                    type="checkbox"
                    className="size-4 accent-accent"
                    checked={waits}
                    onChange={(event) => setWaitsAt(event.target.checked ? filters.price : undefined)}
                  />
                  Let it wait for a cheaper device
                </label>
              </div>
            </Notice>
          )}
        </fieldset>
        {order && price?.escrow !== undefined && (
          <div className="flex flex-col gap-1 text-sm">
            <p data-testid="most">
              <strong className="font-semibold tabular-nums">{exact(price.escrow, order.unit)}</strong> leaves your
              wallet for this {isLease ? 'lease' : 'job'}’s own escrow. That is the most it can cost
              {isLease ? '; time that no quorum attested comes back.' : '.'}
            </p>
            <p className="text-muted" data-testid="sol">
              Besides {rent.data === undefined ? '…' : <Amount base={rent.data} unit={SOL} />} of rent, which comes back
              when you close the job, and a fee below <Amount base={FEE_LAMPORTS} unit={SOL} />.
            </p>
            {busy && <p className="text-muted">This is what you sign: the form can be changed again afterwards.</p>}
          </div>
        )}
        {isLease && <MeteredNotice />}
        {short && (
          <Notice tone="warn">
            The wallet holds <Amount base={balance.data ?? 0n} unit={unit} />: too little. Lower the limit, or send it
            some.
          </Notice>
        )}
        {shortOfSol && (
          <Notice tone="warn">
            The wallet holds <Amount base={sol.data ?? 0n} unit={SOL} />: too little for the rent and the fee, which
            take <Amount base={needed} unit={SOL} />. Send it some SOL.
          </Notice>
        )}
        {wallet && unread && <Failure error={unread.error} retry={() => unread.refetch()} />}
        {wallet ? (
          <Button
            variant="primary"
            disabled={busy || !known || !funded || !waits || tooLate || price?.escrow === undefined}
            onClick={go}
            data-testid="submit"
          >
            {busy ? 'Working…' : isLease ? 'Rent the device' : 'Upload and create the job'}
          </Button>
        ) : (
          <div className="flex items-center gap-3 text-sm">
            <WalletButton /> to pay for it
          </div>
        )}
        <PhaseLine phase={phase} stop={stop} />
      </div>
    </Card>
  );
}

/** What devices ask. `held` is what the wallet has of the token, null while it is read. */
function Quoted({
  engine,
  order: { prepared, quote, price, mint, unit },
  held,
}: {
  engine: Engine;
  order: Order;
  held: bigint | null | undefined;
}) {
  const filters = useSearch({ from: '/cloud/new' });
  const { io_mint } = config();
  const classes = useQuery(classesQuery());
  const isLease = engine === 'lease';
  const guide = classes.data?.find(({ data }) => data.id === filters.class)?.data.referencePrice ?? 0n;
  const { devices, removed, total, seconds, ask_min, reserve_bps, payment_bps } = quote;
  const free = devices > 0 ? `${plural(devices, 'device')} can take it now` : 'none is free now';
  return (
    <>
      <Facts
        rows={[
          isLease
            ? ['Time', duration(Number(prepared.units))]
            : ['Work', `${prepared.exact ? '' : 'at most '}${unitsText(engine, prepared.units)}`],
          ['Devices', price.least === null ? free : 'none asks so little'],
          isLease &&
            ask_min != null && [
              'An hour',
              <span key="h">
                from <Amount base={hourOfLease(BigInt(ask_min))} unit={unit} />, before fees
              </span>,
            ],
          guide > 0n &&
            mint === io_mint && [
              'Class’s guide',
              <span
                key="g"
                data-tip="The network’s reference price of the class; it follows how many of its devices are at work."
              >
                <Amount base={guide} unit={unit} /> an hour
              </span>,
            ],
          total != null && [
            'Cheapest',
            <span key="c">
              <Amount base={total} unit={unit} />
              {!isLease && seconds != null && <span className="text-muted"> · about {duration(seconds)}</span>}
            </span>,
          ],
          ['Fees', <Percent key="f" bps={reserve_bps + payment_bps} />],
          held !== undefined && ['You hold', held === null ? '…' : <Amount key="b" base={held} unit={unit} />],
        ]}
      />
      {devices === 0 && (
        <Notice tone="warn">
          No device takes this now
          {Object.keys(removed).length > 0 &&
            ` (${Object.entries(removed)
              .map(([why, n]) => `${why}: ${n}`)
              .join(', ')})`}
          . Name the most you pay below, and it waits for one; cancelling refunds everything.
        </Notice>
      )}
    </>
  );
}

/** What the class “metered” proves, and what it does not. */
export function MeteredNotice() {
  return (
    <Notice>
      <strong className="font-medium">Metered.</strong> Oracles attest that this device was there and served, second by
      second. They do not run your work again: whether its results are right, nobody checks. Choose a device you trust,
      or use a job of the class “exact” or “tolerant”.
    </Notice>
  );
}

const STEPS: Partial<Record<Phase['at'], string>> = {
  checking: 'Looking at the chain…',
  preparing: 'Simulating the transaction…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
};

export function PhaseLine({ phase, stop }: { phase: Phase; stop: () => void }) {
  if (phase.at === 'failed') {
    const { error } = phase;
    return (
      <>
        <Failure error={error} />
        {error instanceof SendFailure && error.mayHaveLanded && (
          <Link to="/cloud/jobs" className="link self-start text-sm">
            Look at My jobs
          </Link>
        )}
      </>
    );
  }
  if (phase.at === 'uploading') {
    return (
      <div className="flex flex-col gap-2 text-sm" role="status">
        <div className="flex items-center justify-between gap-2">
          <span className="truncate">
            Uploading {phase.name}: {size(phase.done)} of {size(phase.total)}
          </span>
          <Button variant="ghost" size="small" className="underline" onClick={stop}>
            Stop
          </Button>
        </div>
        <Progress label={`Uploading ${phase.name}`} value={phase.done} max={phase.total} />
      </div>
    );
  }
  return (
    <div role="status" className="flex min-h-7 items-center justify-between gap-2 text-sm">
      {STEPS[phase.at] ?? ''}
      {phase.at === 'signing' && (
        <Button variant="ghost" size="small" className="underline" onClick={stop}>
          Stop waiting
        </Button>
      )}
    </div>
  );
}
