import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { emissionQuery } from '@/shared/chain';
import { IO, percent, plural } from '@/shared/format';
import {
  addressOf,
  budgets,
  type EpochRewards,
  epochEmission,
  epochQuery,
  GROUPS,
  hexOfRoot,
  performanceBps,
  SLOTS,
  scoreOf,
  slotsOf,
} from '@/shared/rewards';
import {
  Amount,
  Badge,
  buttonClass,
  Card,
  Checks,
  Empty,
  Facts,
  Hash,
  Loaded,
  Page,
  Skeleton,
  Stat,
  Time,
} from '@/shared/ui';
import { DeviceLink, OracleLink, ProviderLink } from './links';
import { Listing } from './listing';
import { ExplorerTabs } from './tabs';

export function EpochPage() {
  const { epoch: text } = useParams({ from: '/explorer/epochs/$epoch' });
  const epoch = /^\d{1,7}$/.test(text) ? BigInt(text) : null;
  const emission = useQuery(emissionQuery());
  const rewards = useQuery(epochQuery(epoch));
  const data = emission.data?.data;
  const begins = data && epoch !== null ? data.genesisAt + (epoch - 1n) * BigInt(data.epochSeconds) : null;
  return (
    <Page
      title={`Epoch ${text}`}
      lead={
        begins !== null && (
          <>
            Began <Time at={begins} />, {data?.epochSeconds} s long. Rewards are computed again by your browser.
          </>
        )
      }
      actions={
        epoch !== null && (
          <>
            {epoch > 1n && <Step to={epoch - 1n} label="Before" />}
            {data && epoch < data.epochsDone && <Step to={epoch + 1n} label="After" />}
          </>
        )
      }
    >
      <ExplorerTabs />
      {epoch === null || epoch === 0n ? (
        <Empty title="No such epoch">Epochs are counted from 1.</Empty>
      ) : (
        <Loaded query={rewards} skeleton={<Skeleton className="h-96" />}>
          {(read) =>
            read ? (
              <Shown rewards={read} />
            ) : (
              <Empty title="No rewards of this epoch">
                {data && epoch > data.epochsDone
                  ? 'It is not over. The page fills by itself.'
                  : 'The oracles have not agreed yet, or passed it over: what it emitted is then carried over to the next.'}
              </Empty>
            )
          }
        </Loaded>
      )}
    </Page>
  );
}

function Step({ to, label }: { to: bigint; label: string }) {
  return (
    <Link to="/explorer/epochs/$epoch" params={{ epoch: to.toString() }} className={buttonClass('outline')}>
      {label}
    </Link>
  );
}

function Shown({ rewards }: { rewards: EpochRewards }) {
  const { set, computed, epoch } = rewards;
  const emission = epochEmission(Number(epoch));
  const [community, enterprise] = budgets(emission, set.enterpriseBps);
  const paid = computed.distribution.earned.reduce((sum, amount) => sum + amount, 0n);
  const rows = computed.rows.map((row, i) => ({ ...row, earned: computed.distribution.earned[i] ?? 0n }));
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-3 xl:grid-cols-6">
        <Stat label="Emitted">
          <Amount base={emission} unit={IO} />
        </Stat>
        <Stat label="Paid to devices">
          <Amount base={paid} unit={IO} />
        </Stat>
        <Stat label="Enterprise budget" note={percent(set.enterpriseBps)}>
          <Amount base={enterprise} unit={IO} />
        </Stat>
        <Stat label="Community budget">
          <Amount base={community} unit={IO} />
        </Stat>
        <Stat label="Carried over" note="enterprise">
          <Amount base={set.carry[1]} unit={IO} />
        </Stat>
        <Stat label="Carried over" note="community">
          <Amount base={set.carry[0]} unit={IO} />
        </Stat>
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title="Checked here">
          <Checks checks={rewards.checks} />
        </Card>
        <Card title="Root">
          <Facts
            rows={[
              ['Root', <Hash key="r" value={hexOfRoot(rewards.tree)} head={10} tail={10} label="root" />],
              [
                'On chain',
                rewards.onChain ? (
                  <Badge key="y" tone="good">
                    now
                  </Badge>
                ) : (
                  'a newer one'
                ),
              ],
              ['All leaves', <Amount key="t" base={rewards.tree.total} unit={IO} />],
              ['Leaf set', <Hash key="l" value={rewards.hash} head={10} tail={10} label="leaf set’s hash" />],
              ['Evidence', <Hash key="e" value={set.evidence} head={10} tail={10} label="evidence’s hash" />],
              [
                'Signed by',
                rewards.signers.length === 0
                  ? 'nobody who answers'
                  : rewards.signers.map((key) => (
                      <span key={key} className="mr-2">
                        <OracleLink id={key} />
                      </span>
                    )),
              ],
              [
                'Reports of',
                rewards.evidence.reports.map(({ oracle }) => (
                  <span key={oracle} className="mr-2">
                    <OracleLink id={addressOf(oracle)} />
                  </span>
                )),
              ],
            ]}
          />
        </Card>
      </div>
      <Listing
        caption="Devices in this epoch"
        file={`epoch-${epoch}-devices`}
        rows={rows}
        rowKey={(row) => row.device}
        sort={[{ id: 'earned', desc: true }]}
        nothing="No device was up"
        record={(row) => ({
          device: addressOf(row.device),
          provider: addressOf(row.provider),
          group: GROUPS[row.group] ?? '',
          multiplier_e2: row.multiplierE2,
          slots: slotsOf(row),
          performance_bps: performanceBps(row),
          reputation_bps: row.reputationBps,
          score: scoreOf(row),
          earned_base_units: row.earned,
        })}
        columns={[
          {
            header: 'Device',
            id: 'device',
            enableSorting: false,
            cell: ({ row }) => <DeviceLink id={addressOf(row.original.device)} />,
          },
          {
            header: 'Provider',
            id: 'provider',
            accessorFn: (row) => row.provider,
            cell: ({ row }) => <ProviderLink id={addressOf(row.original.provider)} />,
          },
          { header: 'Group', id: 'group', accessorFn: (row) => GROUPS[row.group] },
          {
            header: 'Multiplier',
            id: 'multiplier',
            accessorFn: (row) => row.multiplierE2 / 100,
            meta: { right: true },
          },
          {
            header: 'Up',
            id: 'slots',
            accessorFn: slotsOf,
            cell: ({ getValue }) => `${getValue()} of ${SLOTS}`,
            meta: { right: true },
          },
          {
            header: 'Performance',
            id: 'performance',
            accessorFn: (row) => Number(performanceBps(row)),
            cell: ({ getValue }) => percent(getValue() as number),
            meta: { right: true },
          },
          {
            header: 'Reputation',
            id: 'reputation',
            accessorFn: (row) => row.reputationBps,
            cell: ({ getValue }) => percent(getValue() as number),
            meta: { right: true },
          },
          {
            header: 'Earned',
            id: 'earned',
            accessorFn: (row) => row.earned,
            sortingFn: 'basic',
            cell: ({ row }) => <Amount base={row.original.earned} unit={IO} />,
            meta: { right: true },
          },
        ]}
      />
      <Listing
        caption="Leaf set"
        file={`epoch-${epoch}-leaves`}
        note={`What each provider earned since genesis: ${plural(set.leaves.length, 'leaf', 'leaves')} under the root.`}
        rows={set.leaves}
        rowKey={(leaf) => leaf.provider}
        record={(leaf) => ({ provider: addressOf(leaf.provider), cumulative_base_units: leaf.cumulative })}
        nothing="Nobody earned anything yet"
        columns={[
          {
            header: 'Provider',
            id: 'provider',
            enableSorting: false,
            cell: ({ row }) => <ProviderLink id={addressOf(row.original.provider)} />,
          },
          {
            header: 'Earned since genesis',
            id: 'cumulative',
            accessorFn: (leaf) => leaf.cumulative,
            sortingFn: 'basic',
            cell: ({ row }) => <Amount base={row.original.cumulative} unit={IO} />,
            meta: { right: true },
          },
        ]}
      />
    </div>
  );
}
