import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import {
  classesQuery,
  className,
  devicesQuery,
  emissionQuery,
  jobsQuery,
  type Kinds,
  mintsQuery,
  NOBODY,
  oracleSetQuery,
  oraclesQuery,
  providersQuery,
  type Read,
  unitOf,
} from '@/shared/chain';
import { count, IO, percent, region, regionName, size } from '@/shared/format';
import { costOf, STATE_TONES, stateName } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { epochEmission } from '@/shared/rewards';
import { Amount, Badge, Empty, Loaded, Page, Skeleton, Stat, Time } from '@/shared/ui';
import { DeviceLink, EpochLink, JobLink, OracleLink, ProviderLink, SearchLink } from './links';
import { Listing } from './listing';
import { deviceRecord, jobRecord, providerRecord } from './records';
import { reputationOf } from './standing';
import { ExplorerTabs } from './tabs';
import { isBusy } from './totals';

const MIB = 1024 * 1024;
const tops = (value: number) => value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function DeviceListing({ rows, caption = 'Devices' }: { rows: Read<Kinds['device']>[]; caption?: string }) {
  const classes = useQuery(classesQuery());
  const providers = useQuery(providersQuery());
  const now = useNow(60_000);
  const names = useMemo(() => new Map(classes.data?.map(({ data }) => [data.id, className(data)])), [classes.data]);
  const owners = useMemo(
    () => new Map(providers.data?.map(({ address, data }) => [address as string, data])),
    [providers.data],
  );
  return (
    <Listing
      caption={caption}
      file="devices"
      rows={rows}
      rowKey={(row) => row.address}
      record={deviceRecord}
      nothing="No devices yet"
      columns={[
        {
          header: 'Device',
          id: 'device',
          enableSorting: false,
          cell: ({ row }) => <DeviceLink id={row.original.address} />,
        },
        { header: 'Class', id: 'class', accessorFn: (row) => names.get(row.data.class) ?? `class ${row.data.class}` },
        {
          header: 'State',
          id: 'state',
          accessorFn: (row) => (row.data.state !== 0 ? 'draining' : isBusy(row.data) ? 'at work' : 'idle'),
          cell: ({ getValue }) => {
            const state = getValue() as string;
            return <Badge tone={state === 'at work' ? 'good' : state === 'idle' ? 'info' : 'quiet'}>{state}</Badge>;
          },
        },
        {
          header: 'Region',
          id: 'region',
          accessorFn: (row) => regionName(region(row.data.region)),
        },
        {
          header: 'Memory',
          id: 'memory',
          accessorFn: (row) => row.data.memoryMib,
          cell: ({ row }) => size(row.original.data.memoryMib * MIB),
          meta: { right: true },
        },
        {
          header: 'int8 TOPS',
          id: 'tops',
          accessorFn: (row) => row.data.topsE2 / 100,
          cell: ({ getValue }) => tops(getValue() as number),
          meta: { right: true },
        },
        {
          header: 'Reputation',
          id: 'reputation',
          accessorFn: (row) => reputationOf(row.data, owners.get(row.data.provider), now),
          cell: ({ getValue }) => percent(getValue() as number),
          meta: { right: true },
        },
        {
          header: 'Jobs',
          id: 'jobs',
          accessorFn: (row) => Number(row.data.completed),
          cell: ({ row }) => (
            <span data-tip={`${row.original.data.failed} failed`}>{count(row.original.data.completed)}</span>
          ),
          meta: { right: true },
        },
        {
          header: 'Bond',
          id: 'bond',
          accessorFn: (row) => row.data.bond,
          sortingFn: 'basic',
          cell: ({ row }) => <Amount base={row.original.data.bond} unit={IO} />,
          meta: { right: true },
        },
        {
          header: 'Attested',
          id: 'attested',
          accessorFn: (row) => row.data.attestedAt,
          sortingFn: 'basic',
          cell: ({ row }) => (row.original.data.attestedAt > 0n ? <Time at={row.original.data.attestedAt} /> : 'never'),
        },
        {
          header: 'Provider',
          id: 'provider',
          accessorFn: (row) => row.data.provider,
          cell: ({ row }) => <ProviderLink id={row.original.data.provider} />,
        },
      ]}
    />
  );
}

export function JobListing({ rows, caption = 'Jobs' }: { rows: Read<Kinds['job']>[]; caption?: string }) {
  const mints = useQuery(mintsQuery());
  return (
    <Listing
      caption={caption}
      file="jobs"
      rows={rows}
      rowKey={(row) => row.address}
      record={jobRecord}
      sort={[{ id: 'created', desc: true }]}
      empty={
        <Empty title="No jobs on chain">
          New ones appear here by themselves; search finds closed ones by their address.
        </Empty>
      }
      columns={[
        { header: 'Job', id: 'job', enableSorting: false, cell: ({ row }) => <JobLink id={row.original.address} /> },
        {
          header: 'State',
          id: 'state',
          accessorFn: (row) => stateName(row.data.state),
          cell: ({ row }) => {
            const name = stateName(row.original.data.state);
            return <Badge tone={STATE_TONES[name]}>{name}</Badge>;
          },
        },
        {
          header: 'Created',
          id: 'created',
          accessorFn: (row) => row.data.createdAt,
          sortingFn: 'basic',
          cell: ({ row }) => <Time at={row.original.data.createdAt} />,
        },
        {
          header: 'Device',
          id: 'device',
          accessorFn: (row) => row.data.device,
          cell: ({ row }) => (row.original.data.device === NOBODY ? '—' : <DeviceLink id={row.original.data.device} />),
        },
        {
          header: 'Renter',
          id: 'renter',
          accessorFn: (row) => row.data.renter,
          cell: ({ row }) => <SearchLink id={row.original.data.renter} />,
        },
        {
          header: 'Units',
          id: 'units',
          accessorFn: (row) => row.data.units,
          sortingFn: 'basic',
          cell: ({ row }) => count(row.original.data.units),
          meta: { right: true },
        },
        {
          header: 'Cost',
          id: 'cost',
          accessorFn: (row) => costOf(row.data),
          sortingFn: 'basic',
          cell: ({ row }) => (
            <Amount base={costOf(row.original.data)} unit={unitOf(row.original.data.mint, mints.data)} />
          ),
          meta: { right: true },
        },
      ]}
    />
  );
}

const waiting = <Skeleton className="h-96" />;

export function Devices() {
  const devices = useQuery(devicesQuery());
  return (
    <Page title="Devices" lead="Everything that providers registered and oracles measured.">
      <ExplorerTabs />
      <Loaded query={devices} skeleton={waiting}>
        {(rows) => <DeviceListing rows={rows} caption="All devices" />}
      </Loaded>
    </Page>
  );
}

export function Jobs() {
  const jobs = useQuery(jobsQuery());
  return (
    <Page
      title="Jobs"
      lead="Jobs whose accounts are on chain: open ones, and finished ones until somebody closes them."
    >
      <ExplorerTabs />
      <Loaded query={jobs} skeleton={waiting}>
        {(rows) => <JobListing rows={rows} caption="All jobs" />}
      </Loaded>
    </Page>
  );
}

export function Providers() {
  const providers = useQuery(providersQuery());
  return (
    <Page title="Providers" lead="Who offers devices, and what stands behind their promises.">
      <ExplorerTabs />
      <Loaded query={providers} skeleton={waiting}>
        {(rows) => (
          <Listing
            caption="All providers"
            file="providers"
            rows={rows}
            rowKey={(row) => row.address}
            record={providerRecord}
            nothing="No providers yet"
            columns={[
              {
                header: 'Provider',
                id: 'provider',
                enableSorting: false,
                cell: ({ row }) => <ProviderLink id={row.original.address} />,
              },
              { header: 'Devices', id: 'devices', accessorFn: (row) => row.data.devices, meta: { right: true } },
              {
                header: 'Staked',
                id: 'staked',
                accessorFn: (row) => row.data.staked,
                sortingFn: 'basic',
                cell: ({ row }) => <Amount base={row.original.data.staked} unit={IO} />,
                meta: { right: true },
              },
              {
                header: 'Bonded',
                id: 'committed',
                accessorFn: (row) => row.data.committed,
                sortingFn: 'basic',
                cell: ({ row }) => <Amount base={row.original.data.committed} unit={IO} />,
                meta: { right: true },
              },
              {
                header: 'Co-stake',
                id: 'co',
                accessorFn: (row) => row.data.coAssets,
                sortingFn: 'basic',
                cell: ({ row }) => <Amount base={row.original.data.coAssets} unit={IO} />,
                meta: { right: true },
              },
              {
                header: 'Commission',
                id: 'commission',
                accessorFn: (row) => (row.data.coOpen ? row.data.commissionBps : -1),
                cell: ({ row }) => (row.original.data.coOpen ? percent(row.original.data.commissionBps) : 'closed'),
                meta: { right: true },
              },
              {
                header: 'Rewards claimed',
                id: 'claimed',
                accessorFn: (row) => row.data.claimed,
                sortingFn: 'basic',
                cell: ({ row }) => <Amount base={row.original.data.claimed} unit={IO} />,
                meta: { right: true },
              },
              {
                header: 'Slash cases',
                id: 'slashes',
                accessorFn: (row) => Number(row.data.slashCases),
                meta: { right: true },
              },
              {
                header: 'Since',
                id: 'since',
                accessorFn: (row) => row.data.since,
                sortingFn: 'basic',
                cell: ({ row }) => <Time at={row.original.data.since} />,
              },
            ]}
          />
        )}
      </Loaded>
    </Page>
  );
}

/** Newest epochs listed. */
const LISTED_EPOCHS = 720;

export function Epochs() {
  const emission = useQuery(emissionQuery());
  return (
    <Page
      title="Rewards"
      lead="What each epoch emits, and whether its rewards are published. Open one to compute it again."
    >
      <ExplorerTabs />
      <Loaded query={emission} skeleton={waiting}>
        {(read) => {
          if (!read) {
            return (
              <Empty title="Emission has not begun">
                The administrator begins it with <code className="font-mono">io token init</code>.
              </Empty>
            );
          }
          const { data } = read;
          const done = Number(data.epochsDone);
          const rows = Array.from({ length: Math.min(done, LISTED_EPOCHS) }, (_, i) => done - i);
          const begins = (epoch: number) => Number(data.genesisAt) + (epoch - 1) * data.epochSeconds;
          return (
            <div className="flex flex-col gap-4">
              <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
                <Stat label="Epochs over">{count(done)}</Stat>
                <Stat label="Emitted">
                  <Amount base={data.minted} unit={IO} />
                </Stat>
                <Stat label="Published" note={`up to epoch ${data.rootEpoch}`}>
                  <Amount base={data.rootTotal} unit={IO} />
                </Stat>
                <Stat label="Claimed">
                  <Amount base={data.claimed} unit={IO} />
                </Stat>
              </div>
              <Listing
                caption="Epochs"
                file="epochs"
                rows={rows}
                rowKey={(epoch) => epoch.toString()}
                record={(epoch) => ({
                  epoch,
                  begins_at: begins(epoch),
                  emission_base_units: epochEmission(epoch),
                  published: BigInt(epoch) <= data.rootEpoch,
                })}
                empty={
                  <Empty title="The first epoch is not over">
                    It ends <Time at={begins(2)} />.
                  </Empty>
                }
                columns={[
                  {
                    header: 'Epoch',
                    id: 'epoch',
                    accessorFn: (epoch) => epoch,
                    cell: ({ row }) => <EpochLink id={row.original} />,
                  },
                  {
                    header: 'Began',
                    id: 'began',
                    accessorFn: begins,
                    cell: ({ row }) => <Time at={begins(row.original)} />,
                  },
                  {
                    header: 'Emission',
                    id: 'emission',
                    enableSorting: false,
                    cell: ({ row }) => <Amount base={epochEmission(row.original)} unit={IO} />,
                    meta: { right: true },
                  },
                  {
                    header: 'Rewards',
                    id: 'rewards',
                    accessorFn: (epoch) => (BigInt(epoch) <= data.rootEpoch ? 'published' : 'being agreed on'),
                    cell: ({ getValue }) => (
                      <Badge tone={getValue() === 'published' ? 'good' : 'warn'}>{getValue() as string}</Badge>
                    ),
                  },
                ]}
              />
            </div>
          );
        }}
      </Loaded>
    </Page>
  );
}

export function Oracles() {
  const set = useQuery(oracleSetQuery());
  const bonds = useQuery(oraclesQuery());
  return (
    <Page
      title="Oracles"
      lead="They verify results and sign verdicts. A quorum decides; a contradiction costs the bond."
    >
      <ExplorerTabs />
      <Loaded query={set} skeleton={waiting}>
        {(read) => {
          const active = (read?.data.oracles ?? [])
            .map((key, slot) => ({ key: key as string, slot }))
            .filter(({ key }) => key !== NOBODY);
          const outside = (bonds.data ?? [])
            .filter(({ data }) => !active.some(({ key }) => key === data.key))
            .map(({ data }) => ({ key: data.key as string, slot: -1 }));
          const bondOf = (key: string) => bonds.data?.find(({ data }) => data.key === key)?.data;
          return (
            <Listing
              caption="All oracles"
              file="oracles"
              note={
                read && `Set version ${read.data.version}: ${read.data.quorum} of ${read.data.count} signatures decide.`
              }
              rows={[...active, ...outside]}
              rowKey={(row) => row.key}
              record={({ key, slot }) => ({
                oracle: key,
                slot: slot < 0 ? null : slot,
                bond_base_units: bondOf(key)?.bond ?? null,
                slashed_base_units: bondOf(key)?.slashed ?? null,
              })}
              columns={[
                {
                  header: 'Oracle',
                  id: 'key',
                  accessorFn: (row) => row.key,
                  cell: ({ row }) => <OracleLink id={row.original.key} />,
                },
                {
                  header: 'In the set',
                  id: 'slot',
                  accessorFn: (row) => row.slot,
                  cell: ({ row }) =>
                    row.original.slot < 0 ? <Badge>no</Badge> : <Badge tone="good">slot {row.original.slot}</Badge>,
                },
                {
                  header: 'Bond',
                  id: 'bond',
                  accessorFn: (row) => bondOf(row.key)?.bond ?? -1n,
                  sortingFn: 'basic',
                  meta: { right: true },
                  cell: ({ row }) => {
                    const bond = bondOf(row.original.key);
                    return bond ? <Amount base={bond.bond} unit={IO} /> : 'none';
                  },
                },
                {
                  header: 'Lost',
                  id: 'slashed',
                  accessorFn: (row) => bondOf(row.key)?.slashed ?? -1n,
                  sortingFn: 'basic',
                  meta: { right: true },
                  cell: ({ row }) => {
                    const bond = bondOf(row.original.key);
                    return bond && bond.slashed > 0n ? (
                      <Amount base={bond.slashed} unit={IO} className="text-bad" />
                    ) : (
                      '—'
                    );
                  },
                },
              ]}
            />
          );
        }}
      </Loaded>
    </Page>
  );
}
