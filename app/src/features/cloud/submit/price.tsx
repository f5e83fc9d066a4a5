import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { type Quote, quoteQuery } from '@/shared/api';
import { classesQuery, escrowFor, highestPrice, mintsQuery, tokenBalanceQuery, unitOf } from '@/shared/chain';
import { useConfig } from '@/shared/config/use-config';
import { AmountError, count, duration, exact, parseAmount, plural, size, type Unit } from '@/shared/format';
import { chainNow } from '@/shared/live';
import {
  Amount,
  Button,
  Card,
  Facts,
  Failure,
  Notice,
  Percent,
  Progress,
  SelectField,
  Skeleton,
  TextField,
} from '@/shared/ui';
import { useWallet, WalletButton } from '@/shared/wallet';
import { type Engine, hourOfLease, requirementOf, VERIFICATION } from '../offers/filters';
import { UNIT_NAMES } from './spec';
import { type Phase, useSubmit } from './use-submit';
import type { Prepared } from './work';

const DEADLINES = [
  [3_600, '1 hour'],
  [6 * 3_600, '6 hours'],
  [86_400, '1 day'],
] as const;
/** Longest run of a task, seconds. */
const MAX_RUN_SECONDS = 1_800;

/** What it costs, at most; and the one signature. */
export function PriceCard({ engine, prepared }: { engine: Engine; prepared: Prepared | null }) {
  const filters = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate();
  const wallet = useWallet();
  const config = useConfig();
  const mints = useQuery(mintsQuery());
  const classes = useQuery(classesQuery());
  const [mint, setMint] = useState(config.io_mint);
  const [limit, setLimit] = useState('');
  const [deadline, setDeadline] = useState<number>(3_600);
  const { phase, submit, stop } = useSubmit();
  const unit = unitOf(mint, mints.data);
  const requirement = requirementOf(filters);
  const request = prepared && { engine, units: Number(prepared.units), requirement, mint };
  const quote = useQuery({ ...quoteQuery(request), placeholderData: keepPreviousData });
  const balance = useQuery(tokenBalanceQuery(wallet?.address ?? null, mint));
  // The price filter of the offers page, which its link brings along.
  const cap = filters.price && mint === config.io_mint ? BigInt(filters.price) : null;
  const price = prepared && quote.data && priceOf(prepared.units, quote.data, limit, unit, cap);
  const busy = phase.at !== 'idle' && phase.at !== 'failed' && phase.at !== 'done';
  const short = price?.escrow !== undefined && balance.data !== undefined && balance.data < price.escrow;
  const isLease = engine === 'lease';
  const guide = classes.data?.find(({ data }) => data.id === filters.class)?.data.referencePrice ?? 0n;

  async function go() {
    if (!wallet || !prepared || !price?.escrow) return;
    const job = await submit(wallet, prepared.spec, prepared.uploads, {
      mint,
      maxPrice: price.maxPrice,
      maxUnits: prepared.units,
      escrow: price.escrow,
      deadline: BigInt(Math.floor(chainNow()) + deadline),
      maxRunSeconds: prepared.longest ?? MAX_RUN_SECONDS,
      requirement,
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
  if (quote.error && !quote.data) {
    return (
      <Card title="Price">
        <Failure error={quote.error} retry={() => quote.refetch()} />
      </Card>
    );
  }
  if (!quote.data) {
    return (
      <Card title="Price">
        <Skeleton className="h-40" />
      </Card>
    );
  }
  const { devices, removed, total, seconds, ask_min, reserve_bps, payment_bps } = quote.data;
  return (
    <Card title="Price">
      <div className="flex flex-col gap-4">
        <Facts
          rows={[
            isLease
              ? ['Time', duration(Number(prepared.units))]
              : ['Work', `${prepared.exact ? '' : 'at most '}${count(prepared.units)} ${UNIT_NAMES[engine]}`],
            ['Devices', devices > 0 ? `${plural(devices, 'device')} can take it now` : 'none is free now'],
            isLease &&
              ask_min != null && [
                'An hour',
                <span key="h">
                  from <Amount base={hourOfLease(BigInt(ask_min))} unit={unit} />, before fees
                </span>,
              ],
            guide > 0n &&
              mint === config.io_mint && [
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
            wallet && balance.data !== undefined && ['You hold', <Amount key="b" base={balance.data} unit={unit} />],
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
        <div className="grid gap-3 sm:grid-cols-2">
          <SelectField label="Pay in" value={mint} onChange={(event) => setMint(event.target.value)}>
            {!mints.data && <option value={config.io_mint}>IO</option>}
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
        {price?.escrow !== undefined && (
          <p className="text-sm" data-testid="most">
            <strong className="font-semibold tabular-nums">{exact(price.escrow, unit)}</strong> leaves your wallet for
            this {isLease ? 'lease' : 'job'}’s own escrow. That is the most it can cost
            {isLease ? '; time that no quorum attested comes back.' : '.'}
          </p>
        )}
        {isLease && <MeteredNotice />}
        {short && (
          <Notice tone="warn">
            The wallet holds <Amount base={balance.data ?? 0n} unit={unit} />: too little. Lower the limit, or send it
            some.
          </Notice>
        )}
        {wallet ? (
          <Button
            variant="primary"
            disabled={busy || short || price?.escrow === undefined}
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

function priceOf(
  units: bigint,
  quote: Quote,
  limit: string,
  unit: Unit,
  cap: bigint | null,
): { maxPrice: bigint; escrow?: bigint; suggested?: bigint; error: string | null } {
  const fees = { reserveBps: quote.reserve_bps, paymentBps: quote.payment_bps };
  const median = quote.ask_median ? BigInt(quote.ask_median) || 1n : null;
  const each = cap !== null && (median === null || cap < median) ? cap : median;
  const suggested = each === null ? undefined : (escrowFor(units, each, fees) ?? undefined);
  if (limit.trim() === '') {
    return { maxPrice: each ?? 0n, escrow: suggested, suggested, error: null };
  }
  try {
    const total = parseAmount(limit, unit);
    const maxPrice = highestPrice(units, total, fees);
    if (maxPrice === 0n) return { maxPrice, suggested, error: 'that pays for no work at any price' };
    if (quote.total && BigInt(quote.total) > total)
      return { maxPrice, suggested, error: `the cheapest device asks ${exact(BigInt(quote.total), unit)}` };
    return { maxPrice, escrow: escrowFor(units, maxPrice, fees) ?? undefined, suggested, error: null };
  } catch (error) {
    if (!(error instanceof AmountError)) throw error;
    return { maxPrice: 0n, suggested, error: error.message };
  }
}

const STEPS: Partial<Record<Phase['at'], string>> = {
  preparing: 'Simulating the transaction…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
};

export function PhaseLine({ phase, stop }: { phase: Phase; stop: () => void }) {
  if (phase.at === 'failed') return <Failure error={phase.error} />;
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
