import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { devicesOfProviderQuery, emissionQuery, jobsOfProviderQuery, type Kinds, type Read } from '@/shared/chain';
import { type PastJob, rememberedQuery, withClosed } from '@/shared/closed';
import { config } from '@/shared/config';
import { duration, hex, IO, plural, shorten, utc } from '@/shared/format';
import { type Beat, useHeartbeats, useNow } from '@/shared/live';
import { hexOf, pastQuery } from '@/shared/rewards';
import { Amount, Card, Empty, Loaded, Notice, SelectField, Skeleton, Table, TextField } from '@/shared/ui';
import { type Measured, measured, type Occupancy, occupancyOf, type Profit, profitOf, wattsOf } from './earnings';
import { type Provider, ProviderPage } from './frame';

const SPANS = [
  { label: 'the last day', seconds: 86_400 },
  { label: 'the last week', seconds: 7 * 86_400 },
  { label: 'the last 30 days', seconds: 30 * 86_400 },
] as const;
const STORE = 'io.profit';

/** What the owner typed; it stays in this browser. */
interface Assumptions {
  currency: string;
  kwh: string;
  io: string;
  busy: string;
  idle: string;
}
const FIRST: Assumptions = { currency: 'USD', kwh: '0.25', io: '', busy: '', idle: '' };

function remembered(): Assumptions {
  try {
    return { ...FIRST, ...(JSON.parse(localStorage.getItem(STORE) ?? '{}') as Partial<Assumptions>) };
  } catch {
    return FIRST;
  }
}

export function ProfitPage() {
  return (
    <ProviderPage
      title="Profit"
      lead="From measured watts, your own electricity price and how much your devices were really hired."
    >
      {(provider) => <Reckoned provider={provider} />}
    </ProviderPage>
  );
}

const number = (text: string) => {
  const value = Number(text.replace(',', '.'));
  return text.trim() !== '' && Number.isFinite(value) && value >= 0 ? value : null;
};

const watts = (value: number | null) => (value === null ? '—' : `${value.toFixed(0)} W`);

/** What each device's heartbeats said since the page was opened. */
function useMeasured(beats: Record<string, Beat>): Record<string, Measured> {
  const [all, setAll] = useState<Record<string, Measured>>({});
  useEffect(() => {
    setAll((known) => {
      const news = Object.values(beats).flatMap((beat) => {
        const next = measured(known[beat.device], beat);
        return next && next !== known[beat.device] ? [[beat.device, next] as const] : [];
      });
      return news.length > 0 ? { ...known, ...Object.fromEntries(news) } : known;
    });
  }, [beats]);
  return all;
}

interface DeviceProfit {
  address: string;
  measured: Measured | undefined;
  /** What is reckoned with. */
  watts: { busy: number | null; idle: number | null };
  done: Occupancy;
  /** Shares of the newest epochs, as a quorum of oracles saw them; null before any is known. */
  up: number | null;
  hired: number | null;
  /** Base units, over the span. */
  rewards: bigint;
  result: Profit | null;
}

function Reckoned({ provider }: { provider: Provider }) {
  const devices = useQuery(devicesOfProviderQuery(provider.address));
  const jobs = useQuery(jobsOfProviderQuery(provider.address));
  const emission = useQuery(emissionQuery());
  const root = emission.data?.data;
  const past = useQuery({
    ...pastQuery(root && root.rootEpoch > 0n ? hex(root.rootBlob as Uint8Array) : null),
    placeholderData: keepPreviousData,
  });
  const known = useMeasured(useHeartbeats(provider.address));
  const now = Math.floor(useNow(5_000));
  const [kept, setKept] = useState(remembered);
  const [span, setSpan] = useState<number>(SPANS[0].seconds);
  const told = useQuery({ ...rememberedQuery(now - span), placeholderData: keepPreviousData });
  const change = (field: keyof Assumptions) => (event: { target: { value: string } }) => {
    const next = { ...kept, [field]: event.target.value };
    setKept(next);
    try {
      localStorage.setItem(STORE, JSON.stringify(next));
    } catch {}
  };
  const [kwh, io] = [number(kept.kwh), number(kept.io)];
  const all = jobs.data && withClosed(jobs.data, told.data?.jobs ?? []);
  const rowOf = ({ address, data }: Read<Kinds['device']>, jobs: readonly PastJob[]): DeviceProfit => {
    const mine = wattsOf(known[address]);
    const [busy, idle] = [number(kept.busy) ?? mine.busy, number(kept.idle) ?? mine.idle ?? number(kept.busy)];
    const done = occupancyOf(jobs, address, config().io_mint, Math.max(now - span, Number(data.since)), now);
    const was = past.data?.devices.get(hexOf(address));
    const share = (slots: number | undefined) => (past.data ? (slots ?? 0) / past.data.slots : null);
    const up = share(was?.up);
    // What the newest epochs paid stands for all of the span.
    const seconds = BigInt((past.data?.epochs ?? 0) * (root?.epochSeconds ?? 0));
    const rewards = was && seconds > 0n ? (was.earned * BigInt(done.spanSeconds)) / seconds : 0n;
    const costs = kwh !== null && busy !== null && idle !== null && { busyWatts: busy, idleWatts: idle, priceKwh: kwh };
    return {
      address,
      measured: known[address],
      watts: { busy, idle },
      done,
      up,
      hired: share(was?.hired),
      rewards,
      result: costs ? profitOf(done, up ?? 1, rewards, { ...costs, priceIo: io ?? 0 }) : null,
    };
  };
  const money = (value: number) => `${value.toFixed(2)} ${kept.currency}`;
  return (
    <div className="flex flex-col gap-4">
      <Card title="Yours">
        <div className="grid gap-4 sm:grid-cols-2 lg:grid-cols-3">
          <TextField label="Currency" maxLength={6} value={kept.currency} onChange={change('currency')} />
          <TextField
            label="Price of a kWh"
            inputMode="decimal"
            value={kept.kwh}
            error={kwh === null ? 'a number like 0.25' : null}
            onChange={change('kwh')}
          />
          <TextField
            label="Price of 1 IO"
            inputMode="decimal"
            value={kept.io}
            hint="No price feed is asked. Without one you see the price at which you break even."
            error={kept.io !== '' && io === null ? 'a number' : null}
            onChange={change('io')}
          />
          <TextField
            label="Watts at work, a device"
            inputMode="decimal"
            value={kept.busy}
            placeholder="as measured"
            hint="For all of them, in place of what each reports. A device that reports none needs it."
            onChange={change('busy')}
          />
          <TextField
            label="Watts idle, a device"
            inputMode="decimal"
            value={kept.idle}
            placeholder="as measured"
            hint="As at work when neither stands here nor was measured."
            onChange={change('idle')}
          />
          <SelectField label="Over" value={span} onChange={(event) => setSpan(Number(event.target.value))}>
            {SPANS.map(({ label, seconds }) => (
              <option key={seconds} value={seconds}>
                {label}
              </option>
            ))}
          </SelectField>
        </div>
      </Card>
      <Loaded query={jobs} skeleton={<Skeleton className="h-36" />}>
        {() => (
          <Loaded query={devices} skeleton={<Skeleton className="h-36" />}>
            {(rows) => (
              <Table<DeviceProfit>
                caption="Profit of each device"
                rows={rows.map((row) => rowOf(row, all ?? []))}
                rowKey={({ address }) => address}
                empty={<Empty title="No devices yet">Profit is reckoned for each of them.</Empty>}
                columns={[
                  {
                    header: 'Device',
                    id: 'device',
                    enableSorting: false,
                    cell: ({ row: { original } }) => (
                      <Link
                        to="/explorer/devices/$device"
                        params={{ device: original.address }}
                        className="link font-mono"
                        data-tip={original.address}
                      >
                        {shorten(original.address, 6, 6)}
                      </Link>
                    ),
                  },
                  {
                    header: 'At work, idle',
                    id: 'watts',
                    accessorFn: ({ watts }) => watts.busy ?? -1,
                    meta: { right: true },
                    cell: ({ row: { original } }) => (
                      <span data-tip={measuredWords(original.measured)}>
                        {watts(original.watts.busy)}, {watts(original.watts.idle)}
                        {original.measured && (
                          <span className="text-muted"> in {duration(heardFor(original.measured))}</span>
                        )}
                      </span>
                    ),
                  },
                  {
                    header: 'Up',
                    id: 'up',
                    accessorFn: ({ up }) => up ?? -1,
                    meta: { right: true },
                    cell: ({ row: { original } }) => shareText(original.up),
                  },
                  {
                    header: 'Hired, by oracles',
                    id: 'hired',
                    accessorFn: ({ hired }) => hired ?? -1,
                    meta: { right: true },
                    cell: ({ row: { original } }) => shareText(original.hired),
                  },
                  {
                    header: 'Hired, by jobs',
                    id: 'busy',
                    accessorFn: ({ done }) => (done.spanSeconds > 0 ? done.busySeconds / done.spanSeconds : 0),
                    meta: { right: true },
                    cell: ({ row: { original }, getValue }) => (
                      <span data-tip={`${plural(original.done.jobs, 'job')} in ${duration(original.done.spanSeconds)}`}>
                        {shareText(getValue() as number)}
                      </span>
                    ),
                  },
                  {
                    header: 'From jobs',
                    id: 'jobs',
                    accessorFn: ({ done }) => done.earned,
                    sortingFn: 'basic',
                    meta: { right: true },
                    cell: ({ row: { original } }) => (
                      <>
                        <Amount base={original.done.earned} unit={IO} />
                        {original.done.otherJobs > 0 &&
                          ` and ${plural(original.done.otherJobs, 'job')} in other tokens`}
                      </>
                    ),
                  },
                  {
                    header: 'From rewards',
                    id: 'rewards',
                    accessorFn: ({ rewards }) => rewards,
                    sortingFn: 'basic',
                    meta: { right: true },
                    cell: ({ row: { original } }) => <Amount base={original.rewards} unit={IO} />,
                  },
                  {
                    header: 'Electricity',
                    id: 'cost',
                    accessorFn: ({ result }) => result?.cost ?? -1,
                    meta: { right: true },
                    cell: ({ row: { original } }) =>
                      original.result ? (
                        <span data-tip={`${original.result.kwh.toFixed(2)} kWh`}>{money(original.result.cost)}</span>
                      ) : (
                        'needs watts'
                      ),
                  },
                  {
                    header: 'Profit',
                    id: 'profit',
                    accessorFn: ({ result }) => (io === null ? 0 : (result?.profit ?? 0)),
                    meta: { right: true },
                    cell: ({ row: { original } }) =>
                      original.result && io !== null ? (
                        <span className={original.result.profit < 0 ? 'text-bad' : 'text-good'}>
                          {money(original.result.profit)}
                        </span>
                      ) : (
                        'needs a price of IO'
                      ),
                  },
                  {
                    header: 'Breaks even at, 1 IO',
                    id: 'even',
                    accessorFn: ({ result }) => result?.breakEvenIo ?? -1,
                    meta: { right: true },
                    cell: ({ row: { original } }) =>
                      original.result?.breakEvenIo == null
                        ? '—'
                        : `${original.result.breakEvenIo.toPrecision(3)} ${kept.currency}`,
                  },
                ]}
              />
            )}
          </Loaded>
        )}
      </Loaded>
      <Notice>
        <ul className="list-disc pl-4">
          <li>Watts: of each device’s heartbeats since this page was opened, unless you wrote your own.</li>
          <li>
            Up, hired by oracles, and the rate of rewards:{' '}
            {past.data
              ? `what a quorum saw in ${epochsText(past.data)} (${duration(past.data.epochs * (root?.epochSeconds ?? 0))}). It stands for all of the span.`
              : past.error
                ? 'not known now: the oracles do not answer. Devices are taken to be up all the time.'
                : 'no epoch is published yet. Devices are taken to be up all the time.'}
          </li>
          <li>
            Hired and paid by jobs: over {SPANS.find(({ seconds }) => seconds === span)?.label}, or since a device was
            registered;{' '}
            {told.data
              ? `jobs that were closed as the oracle remembers them, since ${utc(told.data.since)}.`
              : 'from the chain alone, as the oracle does not answer: jobs that were closed are missing.'}
          </li>
          <li>Hardware, rent and taxes are not in it.</li>
        </ul>
      </Notice>
    </div>
  );
}

/** Which epochs these are. */
const epochsText = ({ epochs, first, last }: { epochs: number; first: bigint; last: bigint }) =>
  epochs === 1 ? `epoch ${last}` : `${plural(epochs, 'epoch')}, ${first} to ${last}`;

const shareText = (share: number | null) => (share === null ? '—' : `${(100 * share).toFixed(1)} %`);

/** Seconds. */
const heardFor = (of: Measured) => (of.last - of.first) / 1_000;

function measuredWords(of: Measured | undefined): string {
  if (!of) return 'It has reported no power since this page was opened.';
  return `${of.busy.samples} heartbeats at work and ${of.idle.samples} idle, in ${duration(heardFor(of))}`;
}
