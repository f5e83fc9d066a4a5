import type { Address } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { accountQuery, type Kinds, pda, type Read } from '@/shared/chain';
import { buttonClass, Empty, Loaded, Page, Skeleton } from '@/shared/ui';
import { type ConnectedWallet, useRestoring, useWallet } from '@/shared/wallet';

export type Provider = Read<Kinds['provider']>;

const TABS = [
  { to: '/worker', label: 'Devices' },
  { to: '/worker/stake', label: 'Stake' },
  { to: '/worker/rewards', label: 'Rewards' },
  { to: '/worker/profit', label: 'Profit' },
  { to: '/worker/slashes', label: 'Slash cases' },
  { to: '/worker/setup', label: 'Set up' },
] as const;

export function WorkerTabs() {
  return (
    <nav aria-label="Worker" className="mb-5 flex gap-1 overflow-x-auto border-line border-b">
      {TABS.map(({ to, label }) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact: true, includeSearch: false }}
          className="-mb-px whitespace-nowrap border-transparent border-b-2 px-3 py-2 text-muted text-sm hover:text-ink data-[status=active]:border-accent data-[status=active]:text-ink"
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}

/** The provider account of the connected wallet; null when it has none. */
export function useProvider() {
  const wallet = useWallet();
  const at = useQuery({
    queryKey: ['chain', 'providerOf', wallet?.address],
    enabled: wallet !== null,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => pda.provider(wallet?.address as Address),
  });
  const account = useQuery({ ...accountQuery('provider', at.data ?? ''), enabled: at.data !== undefined });
  return { wallet, at: at.data, account };
}

/** A page for a provider's wallet: says what is missing until there is one. */
export function ProviderPage({
  title,
  lead,
  beside,
  children,
}: {
  title: string;
  lead: string;
  /** What any wallet gets, provider or not. */
  beside?: (wallet: ConnectedWallet) => ReactNode;
  children: (provider: Provider, wallet: ConnectedWallet) => ReactNode;
}) {
  const { wallet, account } = useProvider();
  const restoring = useRestoring();
  return (
    <Page title={title} lead={lead}>
      <WorkerTabs />
      {restoring ? (
        <Skeleton className="h-[60rem]" />
      ) : !wallet ? (
        <Empty
          title="Connect the provider’s wallet"
          action={
            <Link to="/worker/setup" className={buttonClass('outline')}>
              How to become a provider
            </Link>
          }
        >
          Its address is where your stake and devices are found on chain.
        </Empty>
      ) : (
        <Loaded query={account} skeleton={<Skeleton className="h-[60rem]" />}>
          {(read) =>
            read ? (
              children(read, wallet)
            ) : (
              <Empty
                title="This wallet is no provider yet"
                action={
                  <Link to="/worker/setup" className={buttonClass('primary')}>
                    Set up
                  </Link>
                }
              >
                Setting up its first device makes it one, with one signature. Or connect the wallet that is.
              </Empty>
            )
          }
        </Loaded>
      )}
      {wallet && !account.isPending && beside?.(wallet)}
    </Page>
  );
}
