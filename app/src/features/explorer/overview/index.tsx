import { address } from '@solana/kit';
import { keepPreviousData, queryOptions, useQuery } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useMemo } from 'react';
import { deviceOffersQuery, type Offer } from '@/shared/api';
import {
  classesQuery,
  devicesQuery,
  emissionQuery,
  jobsQuery,
  type Kinds,
  mintsQuery,
  networkQuery,
  oracleSetQuery,
  providersQuery,
  type Read,
  rpc,
  unitOf,
  vestingsQuery,
} from '@/shared/chain';
import { Chart } from '@/shared/chart';
import { type PastJob, rememberedQuery, withClosed } from '@/shared/closed';
import { config } from '@/shared/config';
import { count, exact, IO, percent, regionName, short, utc } from '@/shared/format';
import { STATE_TONES } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { CAP, EPOCHS, epochEmission, rewardHistoryQuery } from '@/shared/rewards';
import { Amount, Badge, Card, Empty, Failure, Later, Loaded, Notice, Page, Skeleton, Stat, Time } from '@/shared/ui';
import type { RecordRow } from '../export';
import { EpochLink } from '../links';
import { ExportButtons, Listing } from '../listing';
import { ExplorerTabs } from '../tabs';
import {
  byClass,
  byRegion,
  byState,
  type ClassRow,
  history,
  isBusy,
  type Supply,
  schedule,
  supplyOf,
  utilisation,
} from '../totals';
import { Bars, Share } from './bars';
import { Burns } from './burns';
import { asPercent, exactIo, inIo, millions, whole } from './figures';

const WorldMap = lazy(() => import('../map'));
const HOUR = 3_600;
/** Hours shown by the charts of jobs. */
const HOURS = 48;
/** A job that ended in that time was created at most so long before it, but for the longest leases. */
const LONGEST_HOURS = 24;
const CURVE_POINTS = 121;

export const supplyQuery = () =>
  queryOptions({
    queryKey: ['chain', 'supply'],
    queryFn: async ({ signal }) => {
      const { value } = await rpc()
        .getTokenSupply(address(config().io_mint), { commitment: 'confirmed' })
        .send({ abortSignal: signal });
      return BigInt(value.amount);
    },
    refetchInterval: 15_000,
  });

export function Overview() {
  const [devices, providers, jobs] = [useQuery(devicesQuery()), useQuery(providersQuery()), useQuery(jobsQuery())];
  const [oracles, network] = [useQuery(oracleSetQuery()), useQuery(networkQuery())];
  const offers = useQuery(deviceOffersQuery());
  const busy = devices.data?.filter(({ data }) => isBusy(data)).length;
  const volume = devices.data?.reduce((sum, { data }) => sum + data.volume, 0n);
  const staked = providers.data?.reduce((sum, { data }) => sum + data.staked + data.coAssets, 0n);
  const hour = Math.floor(useNow(60_000) / HOUR);
  const remembered = useQuery({
    ...rememberedQuery((hour - HOURS - LONGEST_HOURS) * HOUR),
    placeholderData: keepPreviousData,
  });
  const past = useMemo(
    () => (jobs.data && !remembered.isPending ? withClosed(jobs.data, remembered.data?.jobs ?? []) : undefined),
    [jobs.data, remembered.isPending, remembered.data],
  );
  const told = remembered.data
    ? `Closed jobs as the oracle remembers them, since ${utc(remembered.data.since)}.`
    : 'From the chain alone: the oracle does not answer, and jobs that were closed are missing.';
  const figure = (value: number | undefined) => (value === undefined ? '…' : count(value));
  const failed = [devices, providers, jobs].find((query) => query.error && query.data === undefined);
  return (
    <Page
      title="The network"
      lead="Read from the chain by your browser, and moving by itself. What devices ask, what burned when, and jobs that were closed come from the oracle: each says so."
    >
      <ExplorerTabs />
      {failed ? (
        <Failure error={failed.error} retry={() => failed.refetch()} />
      ) : (
        <div className="flex flex-col gap-4">
          {network.data?.data.paused === 1 && (
            <Notice tone="warn">
              The network is paused: no new jobs or stakes. What runs goes on, and everybody can leave.
            </Notice>
          )}
          <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
            <Stat label="Devices" note={busy === undefined ? 'reading' : `${busy} at work now`}>
              {figure(devices.data?.length)}
            </Stat>
            <Stat label="Providers" note="with a stake or a history">
              {figure(providers.data?.length)}
            </Stat>
            <Stat label="Jobs on chain" note="finished ones are closed in time">
              {figure(jobs.data?.length)}
            </Stat>
            <Stat label="Earned by devices" note="ever, weighed in IO">
              {volume === undefined ? '…' : <Amount base={volume} unit={IO} />}
            </Stat>
            <Stat label="Staked" note="co-stake included">
              {staked === undefined ? '…' : <Amount base={staked} unit={IO} />}
            </Stat>
            <Stat label="Oracles" note={oracles.data ? `${oracles.data.data.quorum} decide` : 'reading'}>
              {figure(oracles.data?.data.count)}
            </Stat>
          </div>
          <SupplyCard />
          <Later className="h-72">
            <Work jobs={past} told={told} />
          </Later>
          <Later className="h-72">
            <Hardware devices={devices.data} jobs={past} told={told} offers={offers.data} />
          </Later>
          <Later className="h-[40rem]">
            <Issue />
          </Later>
          <Later className="h-96">
            <Classes devices={devices.data} offers={offers.data} offersError={offers.error} />
          </Later>
          <Later className="h-96">
            <Places devices={devices.data} />
          </Later>
        </div>
      )}
    </Page>
  );
}

const PARTS: { key: keyof Supply; label: string; color: string; tip: string }[] = [
  { key: 'circulating', label: 'Circulating', color: 'bg-accent', tip: 'in anybody’s hands, stakes included' },
  { key: 'unclaimed', label: 'Vested', color: 'bg-good', tip: 'genesis parts that are free and were not taken' },
  { key: 'locked', label: 'Locked', color: 'bg-warn', tip: 'genesis parts that are not free yet' },
  {
    key: 'rewards',
    label: 'Unclaimed rewards',
    color: 'bg-accent-strong',
    tip: 'emitted, waiting in the reward vault',
  },
  { key: 'future', label: 'Not emitted', color: 'bg-line', tip: 'comes by the schedule over 20 years' },
  { key: 'burned', label: 'Burned', color: 'bg-bad', tip: 'gone for good, never minted again' },
];

function SupplyCard() {
  const emission = useQuery(emissionQuery());
  const vestings = useQuery(vestingsQuery());
  const minted = useQuery(supplyQuery());
  const now = useNow(15_000);
  const data = emission.data?.data;
  const curve = useMemo(
    () => data && schedule(Number(data.genesisAt), data.epochSeconds, EPOCHS, CURVE_POINTS),
    [data],
  );
  const series = useMemo(() => [{ label: 'Supply', values: curve?.supply ?? [] }], [curve]);
  if (emission.data === null) {
    return (
      <Card title="Supply">
        <Empty title="Emission has not begun">
          The administrator begins it with <code className="font-mono">io token init</code>.
        </Empty>
      </Card>
    );
  }
  const parts =
    data && vestings.data && minted.data !== undefined
      ? supplyOf(data, vestings.data, minted.data, BigInt(Math.floor(now)))
      : null;
  const epoch = data ? Number(data.epochsDone) + 1 : 0;
  const record = (): RecordRow[] =>
    parts
      ? [...PARTS.map(({ key, label }) => ({ part: label, base_units: parts[key] })), { part: 'Cap', base_units: CAP }]
      : [];
  return (
    <Card title="Supply" actions={parts && <ExportButtons name="supply" rows={record} />}>
      <Loaded query={emission} skeleton={<Skeleton className="h-72" />}>
        {() => (
          <div className="grid gap-6 lg:grid-cols-2">
            <div>
              <p className="text-sm">
                <span className="font-semibold text-lg tabular-nums">
                  {minted.data === undefined ? '…' : <Amount base={minted.data} unit={IO} />}
                </span>{' '}
                <span className="text-muted">exist; there will never be more than</span> <Amount base={CAP} unit={IO} />
              </p>
              {parts ? (
                <>
                  <div
                    role="img"
                    aria-label={`Of the cap: ${PARTS.map(({ key, label }) => `${label} ${short(parts[key], IO)}`).join(', ')}`}
                    className="mt-3 flex h-4 overflow-hidden rounded-full bg-hover"
                  >
                    {PARTS.map(({ key, label, color }) => (
                      <div
                        key={key}
                        className={color}
                        data-tip={`${label}: ${exact(parts[key], IO)}`}
                        style={{ width: `${Number((parts[key] * 1_000_000n) / CAP) / 10_000}%` }}
                      />
                    ))}
                  </div>
                  <dl className="mt-3 grid gap-x-6 gap-y-1.5 text-sm sm:grid-cols-2">
                    {PARTS.map(({ key, label, color, tip }) => (
                      <div key={key} className="flex items-center gap-2">
                        <span aria-hidden className={`size-2.5 shrink-0 rounded-sm ${color}`} />
                        <dt className="text-muted" data-tip={tip}>
                          {label}
                        </dt>
                        <dd className="ml-auto">
                          <Amount base={parts[key]} unit={IO} />
                        </dd>
                      </div>
                    ))}
                  </dl>
                </>
              ) : (
                <Skeleton className="mt-3 h-28" />
              )}
              {data && (
                <p className="mt-4 text-muted text-sm">
                  Epoch {count(epoch)} of {count(EPOCHS)} emits <Amount base={epochEmission(epoch)} unit={IO} />; it
                  ends <Time at={data.genesisAt + BigInt(epoch * data.epochSeconds)} />. Rewards are published up to
                  epoch {data.rootEpoch > 0n ? <EpochLink id={data.rootEpoch} /> : 'none yet'},{' '}
                  <Amount base={data.claimed} unit={IO} /> of <Amount base={data.rootTotal} unit={IO} /> claimed.
                </p>
              )}
            </div>
            <div>
              <p className="mb-2 text-muted text-sm">Supply by the schedule, without burns</p>
              {curve && (
                <Chart
                  label="Supply by the schedule: from 500 million IO at genesis to the cap of 800 million after 20 years"
                  times={curve.times}
                  series={series}
                  format={millions}
                  exact={exactIo}
                  height={190}
                />
              )}
            </div>
          </div>
        )}
      </Loaded>
    </Card>
  );
}

/** `told` says where the jobs are from. */
function Work({ jobs, told }: { jobs: PastJob[] | undefined; told: string }) {
  const now = useNow(60_000);
  const mints = useQuery(mintsQuery());
  const hour = Math.floor(now / HOUR);
  const past = useMemo(() => history(jobs ?? [], config().io_mint, hour * HOUR, HOUR, HOURS), [jobs, hour]);
  const created = useMemo(() => [{ label: 'Jobs', values: past.created, bars: true }], [past]);
  const settled = useMemo(
    () => [{ label: 'Settled', values: past.settled.map((base) => Number(base) / 1e8), bars: true }],
    [past],
  );
  const states = byState(jobs ?? []);
  const totals = useMemo(() => {
    const sums = new Map<string, bigint>();
    for (const { data } of jobs ?? [])
      if (data.paid > 0n) sums.set(data.mint, (sums.get(data.mint) ?? 0n) + data.paid + data.fees);
    return [...sums];
  }, [jobs]);
  if (!jobs) return <Skeleton className="h-72" />;
  return (
    <div className="grid gap-4 lg:grid-cols-3">
      <Card title="Jobs by state">
        <Bars
          label="Jobs by state"
          rows={states.map(({ state, count: value }) => ({
            key: state,
            label: <Badge tone={STATE_TONES[state]}>{state}</Badge>,
            value,
            text: count(value),
          }))}
        />
        <p className="mt-3 text-muted text-sm">
          Settled in these jobs:{' '}
          {totals.length === 0
            ? 'nothing yet'
            : totals.map(([mint, base]) => (
                <Amount key={mint} base={base} unit={unitOf(mint, mints.data)} className="mr-2" />
              ))}
        </p>
      </Card>
      <Card
        title="Jobs an hour"
        actions={
          <ExportButtons
            name="jobs-per-hour"
            rows={() => past.times.map((at, i) => ({ hour_begins: at, created: past.created[i] ?? 0 }))}
          />
        }
      >
        <Chart
          label={`Jobs created in each of the last ${HOURS} hours`}
          times={past.times}
          series={created}
          format={whole}
          height={230}
        />
      </Card>
      <Card
        title="Settled an hour"
        actions={
          <ExportButtons
            name="settled-per-hour"
            rows={() => past.times.map((at, i) => ({ hour_begins: at, settled_base_units: past.settled[i] ?? 0n }))}
          />
        }
      >
        <Chart
          label={`IO settled in each of the last ${HOURS} hours`}
          times={past.times}
          series={settled}
          format={inIo}
          exact={exactIo}
          height={230}
        />
      </Card>
      <p className="text-muted text-sm lg:col-span-3">{told}</p>
    </div>
  );
}

/** Which devices there are, how much of their time is hired, and what it costs. */
function Hardware({
  devices,
  jobs,
  told,
  offers,
}: {
  devices: Read<Kinds['device']>[] | undefined;
  jobs: PastJob[] | undefined;
  told: string;
  offers: Offer[] | undefined;
}) {
  const classes = useQuery(classesQuery());
  const now = Math.floor(useNow(60_000));
  const rows = useMemo(() => byClass(classes.data ?? [], devices ?? [], offers ?? []), [classes.data, devices, offers]);
  const hired = useMemo(() => utilisation(jobs ?? [], devices ?? [], now, HOUR, HOURS), [jobs, devices, now]);
  const series = useMemo(() => [{ label: 'At work', values: hired.percent, bars: true }], [hired]);
  if (!devices || !jobs || !classes.data) return <Skeleton className="h-72" />;
  const priced = rows.filter(({ ask, reference }) => (ask ?? 0n) > 0n || reference > 0n);
  return (
    <div className="grid gap-4 lg:grid-cols-3">
      <Card title="Devices by class">
        <Bars
          label="Devices by class"
          rows={rows
            .filter(({ devices }) => devices > 0)
            .map(({ id, name, devices, busy }) => ({
              key: id.toString(),
              label: name,
              value: devices,
              text: `${count(devices)} (${count(busy)} at work)`,
            }))}
        />
      </Card>
      <Card
        title="Devices at work"
        actions={
          <ExportButtons
            name="devices-at-work"
            rows={() => hired.times.map((at, i) => ({ hour_begins: at, percent: hired.percent[i] ?? null }))}
          />
        }
      >
        <Chart
          label={`Share of devices’ time that was hired, in each of the last ${HOURS} hours`}
          times={hired.times}
          series={series}
          format={asPercent}
          height={230}
        />
        <p className="mt-2 text-muted text-sm">{told}</p>
      </Card>
      <Card title="Price of a device-hour">
        <Bars
          label="Price of a device-hour by class"
          rows={priced.map(({ id, name, ask, reference }) => {
            const price = ask ?? reference;
            return {
              key: id.toString(),
              label: name,
              value: Number(price) / 1e8,
              text: (
                <>
                  <Amount base={price} unit={IO} />
                  {ask === null && ' (guide)'}
                </>
              ),
            };
          })}
        />
        <p className="mt-3 text-muted text-sm">
          What the median device asks for the work it is fastest at, as the oracle heard it from devices; the chain’s
          guide where none asks.
        </p>
      </Card>
    </div>
  );
}

/** What comes into the world, and what leaves it. */
function Issue() {
  const emission = useQuery(emissionQuery());
  const root = emission.data?.data.rootEpoch ?? 0n;
  const past = useQuery({ ...rewardHistoryQuery(root), placeholderData: keepPreviousData });
  const minted = useQuery(supplyQuery());
  const vestings = useQuery(vestingsQuery());
  const data = emission.data?.data;
  const figures = past.data;
  const times = useMemo(
    () => (figures && data ? figures.map(({ epoch }) => Number(data.genesisAt) + (epoch - 1) * data.epochSeconds) : []),
    [figures, data],
  );
  const series = useMemo(
    () => [
      { label: 'Emitted', values: (figures ?? []).map(({ emitted }) => Number(emitted) / 1e8) },
      {
        label: 'To devices',
        values: (figures ?? []).map(({ rewarded }) => (rewarded === null ? null : Number(rewarded) / 1e8)),
      },
    ],
    [figures],
  );
  if (!data) return null;
  const all =
    minted.data !== undefined && vestings.data
      ? supplyOf(data, vestings.data, minted.data, BigInt(Math.floor(Date.now() / 1000))).burned
      : null;
  return (
    <>
      <Card
        title="Emission and rewards"
        actions={
          figures && (
            <ExportButtons
              name="emission-and-rewards"
              rows={() =>
                figures.map(({ epoch, emitted, rewarded }) => ({
                  epoch,
                  emitted_base_units: emitted,
                  rewarded_base_units: rewarded,
                }))
              }
            />
          )
        }
      >
        {figures && figures.length > 0 ? (
          <>
            <Chart
              label={`What each of the last ${figures.length} epochs emitted, and gave to devices`}
              times={times}
              series={series}
              format={inIo}
              exact={exactIo}
              height={210}
            />
            <p className="mt-2 text-muted text-sm">
              By the schedule, and by roots that oracles signed. What no device earned is carried over to its group’s
              next epoch.
            </p>
          </>
        ) : past.isLoading ? (
          <Skeleton className="h-56" />
        ) : (
          <Empty title={past.error ? 'The oracle does not answer' : 'No rewards are published yet'}>
            {past.error ? 'It is asked again by itself.' : 'The first come when an epoch is over and a quorum agrees.'}
          </Empty>
        )}
      </Card>
      <Burns all={all} since={Number(data.genesisAt)} />
    </>
  );
}

function Classes({
  devices,
  offers,
  offersError,
}: {
  devices: Read<Kinds['device']>[] | undefined;
  offers: Offer[] | undefined;
  offersError: unknown;
}) {
  const classes = useQuery(classesQuery());
  const rows = useMemo(() => byClass(classes.data ?? [], devices ?? [], offers ?? []), [classes.data, devices, offers]);
  const money = (base: bigint | null) => (base === null || base === 0n ? '—' : <Amount base={base} unit={IO} />);
  return (
    <Loaded query={classes} skeleton={<Skeleton className="h-72" />}>
      {() => (
        <Listing<ClassRow>
          caption="Device classes and prices"
          file="classes"
          note={
            <>
              From the chain, but for the last column. The reference price is a guide that follows how many devices of a
              class are at work. Beside it, as the oracle heard it from devices, what an hour brings at the median of
              what they ask for the work they are fastest at.
              {offersError ? ' The oracle does not answer: asks are missing.' : ''}
            </>
          }
          rows={rows}
          rowKey={(row) => row.id.toString()}
          nothing="No classes yet"
          record={(row) => ({
            id: row.id,
            class: row.name,
            group: row.group,
            devices: row.devices,
            at_work: row.busy,
            observed_utilisation_bps: row.observedBps,
            reference_price_hour_base_units: row.reference,
            floor_base_units: row.floor,
            ceiling_base_units: row.ceiling,
            median_ask_hour_base_units: row.ask,
          })}
          columns={[
            {
              header: 'Class',
              accessorKey: 'name',
              cell: ({ row }) => <span className="font-medium">{row.original.name}</span>,
            },
            { header: 'Group', accessorKey: 'group' },
            { header: 'Devices', accessorKey: 'devices', meta: { right: true } },
            {
              header: 'At work now',
              id: 'busy',
              accessorFn: (row) => (row.devices ? row.busy / row.devices : 0),
              cell: ({ row }) => <Share value={row.original.busy} max={row.original.devices} />,
            },
            {
              header: 'Observed',
              id: 'observed',
              accessorFn: (row) => row.observedBps ?? -1,
              cell: ({ row }) => (row.original.observedBps === null ? '—' : percent(row.original.observedBps)),
              meta: { right: true },
            },
            {
              header: 'Reference, hour',
              id: 'reference',
              accessorFn: (row) => row.reference,
              sortingFn: 'basic',
              cell: ({ row }) => (
                <span
                  data-tip={
                    row.original.reference > 0n
                      ? `between ${exact(row.original.floor, IO)} and ${exact(row.original.ceiling, IO)}`
                      : 'this class has no guidance'
                  }
                >
                  {money(row.original.reference)}
                </span>
              ),
              meta: { right: true },
            },
            {
              header: 'Asked, hour',
              id: 'ask',
              accessorFn: (row) => row.ask ?? -1n,
              sortingFn: 'basic',
              cell: ({ row }) => money(row.original.ask),
              meta: { right: true },
            },
          ]}
        />
      )}
    </Loaded>
  );
}

function Places({ devices }: { devices: Read<Kinds['device']>[] | undefined }) {
  const regions = useMemo(() => byRegion(devices ?? []), [devices]);
  const wrapped = (children: ReactNode) => (
    <Card
      title="Where devices are"
      actions={
        <ExportButtons
          name="regions"
          rows={() => regions.map(({ region, devices }) => ({ region: region || 'unknown', devices }))}
        />
      }
    >
      {children}
    </Card>
  );
  if (!devices) return wrapped(<Skeleton className="h-96" />);
  return wrapped(
    <div className="grid items-start gap-4 lg:grid-cols-[1fr_16rem]">
      <Suspense
        fallback={
          <div role="status" aria-label="Loading">
            <Skeleton className="aspect-[900/440] w-full" />
          </div>
        }
      >
        <WorldMap regions={regions} />
      </Suspense>
      <div>
        <Bars
          label="Devices by region"
          rows={regions.slice(0, 12).map(({ region, devices }) => ({
            key: region,
            label: regionName(region),
            value: devices,
            text: count(devices),
          }))}
        />
        <p className="mt-3 text-muted text-xs">
          Regions are what oracles attested; “unknown” is a device that named none.
        </p>
      </div>
    </div>,
  );
}
