import type { Address } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { Act } from '@/shared/act';
import {
  coStakesOfProviderQuery,
  coStakesOfQuery,
  type Kinds,
  networkQuery,
  providersQuery,
  type Read,
  tokenBalanceQuery,
} from '@/shared/chain';
import { config } from '@/shared/config';
import { duration, exact, IO, percent, shorten } from '@/shared/format';
import { useNow } from '@/shared/live';
import { Amount, Badge, Card, Empty, Page, Progress, SelectField, Skeleton, Stat, TextField, Time } from '@/shared/ui';
import { type ConnectedWallet, useRestoring, useWallet } from '@/shared/wallet';
import { AmountForm } from './amount-form';
import { type Provider, useProvider, WorkerTabs } from './frame';
import { type CoStep, joinCoStake, moveCoStake, setTerms, stake, unstake, withdraw } from './transactions';

const MAX_COMMISSION_BPS = 10_000;

export function StakePage() {
  const { wallet, account } = useProvider();
  const restoring = useRestoring();
  return (
    <Page title="Stake" lead="What stands behind your devices’ promises, and what you put beside others’.">
      <WorkerTabs />
      {restoring || (wallet && account.isPending) ? (
        <Skeleton className="h-[60rem]" />
      ) : !wallet ? (
        <Empty title="Connect a wallet">Your own stake and your co-stakes belong to it.</Empty>
      ) : (
        <div className="flex flex-col gap-4">
          {account.data && <Own provider={account.data} wallet={wallet} />}
          {account.data === null && (
            <Empty title="This wallet is no provider">
              It can co-stake beside one; to offer devices of your own,{' '}
              <Link to="/worker/setup" className="link">
                set up
              </Link>
              .
            </Empty>
          )}
          <CoStaking wallet={wallet} own={account.data?.address} />
        </div>
      )}
    </Page>
  );
}

/** What can leave: neither bound, nor what co-stakers rely on. */
export function unstakeable(provider: Kinds['provider']): bigint {
  const whole = provider.staked + provider.coAssets;
  const free = whole > provider.committed ? whole - provider.committed : 0n;
  const firstLoss = provider.staked > provider.coAssets ? provider.staked - provider.coAssets : 0n;
  return [free, firstLoss].reduce((least, one) => (one < least ? one : least));
}

function Own({ provider: { data }, wallet }: { provider: Provider; wallet: ConnectedWallet }) {
  const balance = useQuery(tokenBalanceQuery(wallet.address, config().io_mint));
  const network = useQuery(networkQuery());
  const now = useNow();
  const wait = network.data?.data.unbondSeconds;
  const leaving = data.unbonding.filter(({ amount }) => amount > 0n).toSorted((a, b) => Number(a.readyAt - b.readyAt));
  const ripe = leaving.filter(({ readyAt }) => Number(readyAt) <= now);
  const whole = data.staked + data.coAssets;
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        <Stat label="Staked">
          <Amount base={data.staked} unit={IO} />
        </Stat>
        <Stat label="Bound" note="to devices and penalties">
          <Amount base={data.committed} unit={IO} />
        </Stat>
        <Stat label="Free">
          <Amount base={whole > data.committed ? whole - data.committed : 0n} unit={IO} />
        </Stat>
        <Stat label="Co-stake" note={`${data.coStakers} co-stakers`}>
          <Amount base={data.coAssets} unit={IO} />
        </Stat>
      </div>
      <div className="grid gap-4 lg:grid-cols-3">
        <Card title="Add stake">
          <AmountForm label="IO to stake" most={balance.data} mostWords="In the wallet">
            {(amount, clear) => (
              <Act
                wallet={wallet}
                disabled={amount === null}
                onDone={clear}
                build={() => stake(wallet.address, amount as bigint)}
              >
                Stake
              </Act>
            )}
          </AmountForm>
        </Card>
        <Card title="Take stake out">
          <AmountForm label="IO to unstake" most={unstakeable(data)} mostWords="Can leave">
            {(amount, clear) => (
              <Act
                wallet={wallet}
                variant="outline"
                disabled={amount === null}
                onDone={clear}
                build={() => unstake(wallet.address, amount as bigint)}
              >
                Unstake
              </Act>
            )}
          </AmountForm>
          <p className="mt-3 text-muted text-sm">
            It counts for nothing at once{wait !== undefined && `, and can be withdrawn after ${duration(wait)}`}.
          </p>
        </Card>
        <Card title="On its way out">
          {leaving.length === 0 ? (
            <p className="text-muted text-sm">Nothing. Up to 8 withdrawals run at a time, each with its own clock.</p>
          ) : (
            <div className="grid gap-4">
              <ul className="grid gap-3 text-sm">
                {leaving.map(({ amount, readyAt }) => {
                  const rest = Number(readyAt) - now;
                  return (
                    <li key={`${readyAt}${amount}`}>
                      <div className="mb-1.5 flex justify-between gap-2">
                        <Amount base={amount} unit={IO} />
                        <span className="text-muted tabular-nums">{rest > 0 ? duration(rest) : 'ready'}</span>
                      </div>
                      <Progress
                        label={`Time until ${exact(amount, IO)} is free`}
                        value={(wait ?? 1) - Math.max(0, rest)}
                        max={wait ?? 1}
                      />
                    </li>
                  );
                })}
              </ul>
              <Act wallet={wallet} disabled={ripe.length === 0} build={() => withdraw(wallet.address)}>
                Withdraw
              </Act>
            </div>
          )}
        </Card>
      </div>
      <Terms provider={data} wallet={wallet} />
    </>
  );
}

function Terms({ provider, wallet }: { provider: Kinds['provider']; wallet: ConnectedWallet }) {
  const [text, setText] = useState((provider.commissionBps / 100).toString());
  const bps = Math.round(Number(text) * 100);
  const good = text.trim() !== '' && Number.isInteger(bps) && bps >= 0 && bps <= MAX_COMMISSION_BPS;
  return (
    <Card
      title="Others beside you"
      actions={
        <Badge tone={provider.coOpen ? 'good' : 'quiet'}>
          {provider.coOpen ? `open, ${percent(provider.commissionBps)}` : 'closed'}
        </Badge>
      }
    >
      <p className="mb-3 max-w-3xl text-muted text-sm">
        Co-stakers add up to as much as you staked yourself; penalties take yours first. Your commission on their
        rewards becomes your stake. Who has joined keeps the commission of that day.
      </p>
      <div className="flex flex-wrap items-end gap-3">
        <TextField
          label="Commission, percent"
          inputMode="decimal"
          value={text}
          error={good ? null : 'between 0 and 100'}
          onChange={(event) => setText(event.target.value)}
        />
        <Act wallet={wallet} disabled={!good} build={() => setTerms(wallet.address, bps, true)}>
          {provider.coOpen ? 'Change the terms' : 'Open'}
        </Act>
        {provider.coOpen === 1 && (
          <Act wallet={wallet} variant="outline" build={() => setTerms(wallet.address, provider.commissionBps, false)}>
            Close
          </Act>
        )}
      </div>
    </Card>
  );
}

function CoStaking({ wallet, own }: { wallet: ConnectedWallet; own: Address | undefined }) {
  const mine = useQuery(coStakesOfQuery(wallet.address));
  const beside = useQuery({ ...coStakesOfProviderQuery(own ?? ''), enabled: own !== undefined });
  const providers = useQuery(providersQuery());
  const balance = useQuery(tokenBalanceQuery(wallet.address, config().io_mint));
  const [chosen, setChosen] = useState('');
  const open = (providers.data ?? []).filter(({ address, data }) => data.coOpen === 1 && address !== own);
  const provider = open.find(({ address }) => address === chosen);
  const room =
    provider && provider.data.staked > provider.data.coAssets ? provider.data.staked - provider.data.coAssets : 0n;
  const most = balance.data === undefined ? undefined : balance.data < room ? balance.data : room;
  return (
    <>
      {(beside.data ?? []).map((one) => (
        <CoStakeCard key={one.address} coStake={one} provider={undefined} />
      ))}
      {(mine.data ?? []).map((one) => (
        <CoStakeCard
          key={one.address}
          coStake={one}
          provider={providers.data?.find(({ address }) => address === one.data.provider)}
        />
      ))}
      <Card title="Co-stake beside a provider">
        {open.length === 0 ? (
          <p className="text-muted text-sm">No other provider takes co-stakers now.</p>
        ) : (
          <div className="grid gap-4 lg:grid-cols-2">
            <SelectField label="Provider" value={chosen} onChange={(event) => setChosen(event.target.value)}>
              <option value="">Choose one</option>
              {open.map(({ address, data }) => (
                <option key={address} value={address}>
                  {shorten(address, 6, 6)}: {percent(data.commissionBps)} commission, {data.devices} devices
                </option>
              ))}
            </SelectField>
            {provider && (
              <AmountForm label="IO to co-stake" most={most} mostWords="At most">
                {(amount, clear) => (
                  <Act
                    wallet={wallet}
                    disabled={amount === null}
                    onDone={clear}
                    build={() =>
                      joinCoStake(wallet.address, provider.address, amount as bigint, provider.data.commissionBps)
                    }
                  >
                    Join
                  </Act>
                )}
              </AmountForm>
            )}
          </div>
        )}
        <p className="mt-3 max-w-3xl text-muted text-sm">
          At stake: what a penalty takes beyond the provider’s own stake. Leaving takes a notice and then the unbonding
          time; neither can be turned back.
        </p>
      </Card>
    </>
  );
}

/** A co-stake of the wallet; or, without `provider`, somebody’s beside it, to whom it can give notice. */
function CoStakeCard({ coStake, provider }: { coStake: Read<Kinds['coStake']>; provider: Provider | undefined }) {
  const wallet = useWallet();
  const now = useNow();
  const { data } = coStake;
  const shares = data.earning + data.pending;
  const worth =
    provider && provider.data.coShares > 0n ? (shares * provider.data.coAssets) / provider.data.coShares : null;
  const [noticed, out] = [data.noticeUntil > 0n, data.readyAt > 0n];
  const isMine = wallet?.address === data.coStaker;
  const button = (step: CoStep, label: string, disabled = false) =>
    wallet && (
      <Act
        wallet={wallet}
        variant="outline"
        disabled={disabled}
        build={() => moveCoStake(step, wallet.address, coStake)}
      >
        {label}
      </Act>
    );
  return (
    <Card title={isMine ? `Your co-stake beside ${shorten(data.provider)}` : `Co-staker ${shorten(data.coStaker)}`}>
      <div className="mb-3 flex flex-wrap gap-x-8 gap-y-2 text-sm">
        <span>
          <span className="text-muted">Worth</span>{' '}
          {out ? <Amount base={data.unbonding} unit={IO} /> : worth === null ? '—' : <Amount base={worth} unit={IO} />}
        </span>
        <span>
          <span className="text-muted">Commission</span> {percent(data.commissionBps)}
        </span>
        <span>
          <span className="text-muted">Earned, before commission</span> <Amount base={data.rewards} unit={IO} />
        </span>
        {data.pending > 0n && <Badge tone="warn">some shares earn from the next claim of the provider on</Badge>}
        {out ? (
          <span>
            <span className="text-muted">Withdrawable</span> <Time at={data.readyAt} />
          </span>
        ) : (
          noticed && (
            <span>
              <span className="text-muted">Notice ends</span> <Time at={data.noticeUntil} />
            </span>
          )
        )}
      </div>
      <div className="flex flex-wrap gap-2">
        {!noticed && button('leave', isMine ? 'Leave' : 'Give notice')}
        {noticed && !out && button('unbond', 'Unbond', Number(data.noticeUntil) > now)}
        {out && button('withdraw', 'Withdraw', Number(data.readyAt) > now)}
        {isMine && data.pending > 0n && button('activate', 'Let shares earn')}
        {isMine && data.rewards > 0n && button('claim', 'Claim rewards')}
      </div>
    </Card>
  );
}
