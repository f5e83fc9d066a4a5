import type { Address } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { accountQuery, devicesOfProviderQuery, pda } from '@/shared/chain';
import { IO } from '@/shared/format';
import { Amount, Badge, Card, Empty, Hash, Loaded, Page, Stat, Table, Time } from '@/shared/ui';
import { useWallet } from '@/shared/wallet';

export function Overview() {
  const wallet = useWallet();
  const provider = useQuery({
    queryKey: ['chain', 'providerOf', wallet?.address],
    enabled: wallet !== null,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => pda.provider(wallet?.address as Address),
  });
  return (
    <Page title="Your devices" lead="What your hardware does, earns and risks.">
      {!wallet ? (
        <Empty title="Connect the provider’s wallet">
          Its address is where your stake and devices are found on chain.
        </Empty>
      ) : (
        provider.data && <Provider address={provider.data} />
      )}
    </Page>
  );
}

function Provider({ address }: { address: string }) {
  const account = useQuery(accountQuery('provider', address));
  const devices = useQuery(devicesOfProviderQuery(address));
  return (
    <Loaded query={account}>
      {(read) =>
        read === null ? (
          <Empty title="This wallet is no provider yet">
            Register with <code className="font-mono">io provider register</code>, then add devices:
            docs/getting-started-providers.md.
          </Empty>
        ) : (
          <div className="flex flex-col gap-4">
            <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
              <Stat label="Staked">
                <Amount base={read.data.staked} unit={IO} />
              </Stat>
              <Stat label="Bound to devices">
                <Amount base={read.data.committed} unit={IO} />
              </Stat>
              <Stat label="Jobs completed">{read.data.completed.toString()}</Stat>
              <Stat label="Jobs failed">{read.data.failed.toString()}</Stat>
            </div>
            <Card title="Devices">
              <Loaded query={devices}>
                {(rows) => (
                  <Table
                    caption="Devices"
                    rows={rows}
                    rowKey={(row) => row.address}
                    empty={<Empty title="No devices">Register one with io device register.</Empty>}
                    columns={[
                      { header: 'Device', cell: ({ row }) => <Hash value={row.original.address} label="device" /> },
                      {
                        header: 'State',
                        cell: ({ row }) => (
                          <Badge tone={row.original.data.state === 0 ? 'good' : 'quiet'}>
                            {row.original.data.state === 0 ? 'active' : 'draining'}
                          </Badge>
                        ),
                      },
                      {
                        header: 'Memory',
                        accessorFn: (row) => row.data.memoryMib,
                        cell: ({ getValue }) => `${getValue()} MiB`,
                        meta: { right: true },
                      },
                      {
                        header: 'Bond',
                        accessorFn: (row) => row.data.bond,
                        cell: ({ row }) => <Amount base={row.original.data.bond} unit={IO} />,
                        meta: { right: true },
                      },
                      {
                        header: 'Attested',
                        accessorFn: (row) => row.data.attestedAt,
                        cell: ({ row }) =>
                          row.original.data.attestedAt > 0n ? <Time at={row.original.data.attestedAt} /> : 'never',
                      },
                    ]}
                  />
                )}
              </Loaded>
            </Card>
          </div>
        )
      }
    </Loaded>
  );
}
