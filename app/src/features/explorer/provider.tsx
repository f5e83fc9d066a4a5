import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import {
  accountQuery,
  coStakesOfProviderQuery,
  devicesOfProviderQuery,
  jobsOfProviderQuery,
  type Kinds,
  type Read,
  slashCasesOfQuery,
} from '@/shared/chain';
import { count, IO, percent, shorten } from '@/shared/format';
import { Amount, Card, Empty, Facts, Hash, Loaded, Page, Skeleton, Stat, Time } from '@/shared/ui';
import { Activity } from './activity';
import { SearchLink } from './links';
import { Listing } from './listing';
import { DeviceListing, JobListing } from './lists';
import { SlashListing } from './slashes';
import { ExplorerTabs } from './tabs';

export function ProviderPage() {
  const { provider: at } = useParams({ from: '/explorer/providers/$provider' });
  const provider = useQuery(accountQuery('provider', at));
  return (
    <Page title={`Provider ${shorten(at, 6, 6)}`} lead={<Hash value={at} head={44} tail={0} label="provider" />}>
      <ExplorerTabs />
      <div className="flex flex-col gap-4">
        <Loaded query={provider} skeleton={<Skeleton className="h-[60rem]" />}>
          {(read) =>
            read ? (
              <Shown provider={read} />
            ) : (
              <Empty title="No such provider">Search for the wallet’s address to find its provider account.</Empty>
            )
          }
        </Loaded>
        <Activity of={at} />
      </div>
    </Page>
  );
}

function Shown({ provider: { address, data } }: { provider: Read<Kinds['provider']> }) {
  const devices = useQuery(devicesOfProviderQuery(address));
  const jobs = useQuery(jobsOfProviderQuery(address));
  const cases = useQuery(slashCasesOfQuery(address));
  const coStakes = useQuery(coStakesOfProviderQuery(address));
  // All of it together: nothing that comes later moves what is read already.
  const reading = [devices, jobs, cases, coStakes].some(({ isPending }) => isPending);
  if (reading) return <Skeleton className="h-[60rem]" />;
  const leaving = data.unbonding.filter(({ amount }) => amount > 0n);
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4 xl:grid-cols-6">
        <Stat label="Staked">
          <Amount base={data.staked} unit={IO} />
        </Stat>
        <Stat label="Co-stake" note={`${data.coStakers} co-stakers`}>
          <Amount base={data.coAssets} unit={IO} />
        </Stat>
        <Stat label="Bonded" note="to devices and penalties">
          <Amount base={data.committed} unit={IO} />
        </Stat>
        <Stat label="Devices">{count(data.devices)}</Stat>
        <Stat label="Rewards claimed">
          <Amount base={data.claimed} unit={IO} />
        </Stat>
        <Stat label="Slash cases" note="opened, ever">
          {count(data.slashCases)}
        </Stat>
      </div>
      <Card title="Terms">
        <Facts
          rows={[
            ['Authority', <SearchLink key="a" id={data.authority} />],
            ['Paid to', <SearchLink key="p" id={data.payoutOwner} />],
            ['Co-stake', data.coOpen ? `open, ${percent(data.commissionBps)} commission` : 'closed'],
            [
              'Leaving',
              leaving.length === 0
                ? 'nothing'
                : leaving.map((entry) => (
                    <span key={entry.readyAt.toString()} className="mr-3">
                      <Amount base={entry.amount} unit={IO} /> <Time at={entry.readyAt} />
                    </span>
                  )),
            ],
            ['Since', <Time key="s" at={data.since} />],
          ]}
        />
      </Card>
      <Loaded query={devices}>{(rows) => <DeviceListing rows={rows} caption="Devices of this provider" />}</Loaded>
      {(cases.data?.length ?? 0) > 0 && <SlashListing rows={cases.data ?? []} />}
      {(coStakes.data?.length ?? 0) > 0 && (
        <Listing
          caption="Co-stakers"
          file="co-stakers"
          rows={coStakes.data ?? []}
          rowKey={(row) => row.address}
          record={({ data }) => ({
            co_staker: data.coStaker,
            earning_shares: data.earning,
            pending_shares: data.pending,
            commission_bps: data.commissionBps,
          })}
          columns={[
            {
              header: 'Co-staker',
              id: 'who',
              accessorFn: (row) => row.data.coStaker,
              cell: ({ row }) => <SearchLink id={row.original.data.coStaker} />,
            },
            {
              header: 'Shares',
              id: 'shares',
              accessorFn: (row) => row.data.earning + row.data.pending,
              sortingFn: 'basic',
              cell: ({ getValue }) => count(getValue() as bigint),
              meta: { right: true },
            },
            {
              header: 'Commission',
              id: 'commission',
              accessorFn: (row) => row.data.commissionBps,
              cell: ({ getValue }) => percent(getValue() as number),
              meta: { right: true },
            },
            {
              header: 'Joined',
              id: 'joined',
              accessorFn: (row) => row.data.joinedAt,
              sortingFn: 'basic',
              cell: ({ row }) => <Time at={row.original.data.joinedAt} />,
            },
          ]}
        />
      )}
      <Loaded query={jobs}>{(rows) => <JobListing rows={rows} caption="Jobs of this provider" />}</Loaded>
    </>
  );
}
