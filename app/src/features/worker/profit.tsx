import { useQuery } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { devicesOfProviderQuery, emissionQuery, jobsOfProviderQuery } from '@/shared/chain';
import { config } from '@/shared/config';
import { exact, IO, plural, shorten } from '@/shared/format';
import { useHeartbeats, useNow } from '@/shared/live';
import { epochQuery, hexOf } from '@/shared/rewards';
import { Amount, Card, Empty, Loaded, Notice, SelectField, Skeleton, Stat, TextField } from '@/shared/ui';
import { measuredWatts, occupancyOf, profitOf } from './earnings';
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

const watts = (value: number | null) => (value === null ? '' : value.toFixed(0));

/** What was measured of each kind since the page was opened: a device is not at work all the time. */
function useMeasured(beats: Parameters<typeof measuredWatts>[0]) {
  const kept = useRef<ReturnType<typeof measuredWatts>>({ busy: null, idle: null });
  const now = measuredWatts(beats);
  kept.current = { busy: now.busy ?? kept.current.busy, idle: now.idle ?? kept.current.idle };
  return kept.current;
}

function Reckoned({ provider }: { provider: Provider }) {
  const devices = useQuery(devicesOfProviderQuery(provider.address));
  const jobs = useQuery(jobsOfProviderQuery(provider.address));
  const emission = useQuery(emissionQuery());
  const root = emission.data?.data.rootEpoch ?? 0n;
  const rewards = useQuery(epochQuery(root > 0n ? root : null));
  const beats = useHeartbeats(provider.address);
  const now = Math.floor(useNow(5_000));
  const [kept, setKept] = useState(remembered);
  const [span, setSpan] = useState<number>(SPANS[0].seconds);
  const change = (field: keyof Assumptions) => (event: { target: { value: string } }) => {
    const next = { ...kept, [field]: event.target.value };
    setKept(next);
    try {
      localStorage.setItem(STORE, JSON.stringify(next));
    } catch {}
  };
  const measured = useMeasured(Object.values(beats));
  const [kwh, io] = [number(kept.kwh), number(kept.io)];
  // What was not measured at work is at least what it draws idle.
  const busyWatts = number(kept.busy) ?? measured.busy ?? measured.idle;
  const idleWatts = number(kept.idle) ?? measured.idle ?? busyWatts;
  const perEpoch = (device: string) => {
    const rows = rewards.data?.computed.rows ?? [];
    const at = rows.findIndex((row) => row.device === hexOf(device));
    return at < 0 ? 0n : (rewards.data?.computed.distribution.earned[at] ?? 0n);
  };
  const epochSeconds = emission.data?.data.epochSeconds ?? 3_600;
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
            placeholder={watts(busyWatts)}
            hint={
              measured.busy !== null
                ? `Measured while at work: ${watts(measured.busy)} W on average`
                : measured.idle !== null
                  ? 'None has been at work since this page was opened: what they draw idle is taken.'
                  : 'No device reports its power: read it off a meter.'
            }
            onChange={change('busy')}
          />
          <TextField
            label="Watts idle, a device"
            inputMode="decimal"
            value={kept.idle}
            placeholder={watts(idleWatts)}
            hint={
              measured.idle === null
                ? 'As at work when empty'
                : `Measured while idle: ${watts(measured.idle)} W on average`
            }
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
      <Loaded query={jobs} skeleton={<Skeleton className="h-64" />}>
        {(all) => (
          <Loaded query={devices} skeleton={<Skeleton className="h-64" />}>
            {(rows) =>
              rows.length === 0 ? (
                <Empty title="No devices yet">Profit is reckoned for each of them.</Empty>
              ) : (
                rows.map(({ address, data }) => {
                  const from = Math.max(now - span, Number(data.since));
                  const done = occupancyOf(all, address, config().io_mint, from, now);
                  // The newest epoch stands for all of the span: what the device earns for being up as it is now.
                  const each = perEpoch(address);
                  const bonus = (each * BigInt(done.spanSeconds)) / BigInt(epochSeconds);
                  const known = kwh !== null && busyWatts !== null && idleWatts !== null;
                  const result = known
                    ? profitOf(done, bonus, { busyWatts, idleWatts, priceKwh: kwh, priceIo: io ?? 0 })
                    : null;
                  const share = done.spanSeconds > 0 ? (100 * done.busySeconds) / done.spanSeconds : 0;
                  return (
                    <Card key={address} title={<span className="font-mono text-sm">{shorten(address, 6, 6)}</span>}>
                      <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
                        <Stat label="Hired" note={plural(done.jobs, 'job')}>
                          {share.toFixed(1)} %
                        </Stat>
                        <Stat
                          label="From jobs"
                          note={
                            done.otherJobs > 0
                              ? `and ${plural(done.otherJobs, 'job')} in other tokens`
                              : 'settled in IO'
                          }
                        >
                          <Amount base={done.earned} unit={IO} />
                        </Stat>
                        <Stat label="From rewards" note={root > 0n ? `at epoch ${root}’s rate` : 'none published'}>
                          <Amount base={bonus} unit={IO} />
                        </Stat>
                        <Stat label="Electricity" note={result ? `${result.kwh.toFixed(2)} kWh` : 'needs watts'}>
                          {result ? money(result.cost) : '—'}
                        </Stat>
                        <Stat label="Profit" note={io === null ? 'needs a price of IO' : undefined}>
                          {result && io !== null ? (
                            <span className={result.profit < 0 ? 'text-bad' : 'text-good'}>{money(result.profit)}</span>
                          ) : (
                            '—'
                          )}
                        </Stat>
                        <Stat label="Breaks even at" note="price of 1 IO">
                          {result?.breakEvenIo == null ? '—' : `${result.breakEvenIo.toPrecision(3)} ${kept.currency}`}
                        </Stat>
                      </div>
                      {from > now - span && (
                        <p className="mt-3 text-muted text-sm">Since it was registered; shorter than the span.</p>
                      )}
                      {each > 0n && <p className="mt-1 text-muted text-sm">Rewards: {exact(each, IO)} an epoch.</p>}
                    </Card>
                  );
                })
              )
            }
          </Loaded>
        )}
      </Loaded>
      <Notice>
        Occupancy and payments come from jobs whose accounts are on chain. Hardware, rent and taxes are not in it.
      </Notice>
    </div>
  );
}
