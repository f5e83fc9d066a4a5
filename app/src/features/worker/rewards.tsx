import { address, isAddress } from '@solana/kit';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Act } from '@/shared/act';
import {
  devicesOfProviderQuery,
  emissionQuery,
  type Kinds,
  networkQuery,
  type Read,
  vestingsQuery,
} from '@/shared/chain';
import { config } from '@/shared/config';
import { count, exact, hex, IO, percent, shorten } from '@/shared/format';
import { useNow } from '@/shared/live';
import {
  ALLOCATIONS,
  addressOf,
  bits,
  type EpochRewards,
  epochQuery,
  GROUPS,
  hexOf,
  performanceBps,
  proofOf,
  proves,
  type Row,
  rootOf,
  SLOTS,
  scoreOf,
  slotsOf,
  vested,
} from '@/shared/rewards';
import {
  Amount,
  Badge,
  Button,
  Card,
  Checks,
  Empty,
  Facts,
  Loaded,
  Notice,
  Outdated,
  Skeleton,
  Stat,
  TextField,
  Time,
} from '@/shared/ui';
import { keyBytes } from '@/shared/verify';
import type { ConnectedWallet } from '@/shared/wallet';
import { type Provider, ProviderPage } from './frame';
import { bondNeeded } from './health';
import { claimRewards, claimVested, setPayoutOwner } from './transactions';
import { whyNot } from './why';

export function RewardsPage() {
  return (
    <ProviderPage
      title="Rewards"
      lead="What your devices earned for being up, why, and what you can claim now."
      beside={(wallet) => <Vesting wallet={wallet} />}
    >
      {(provider, wallet) => (
        <div className="flex flex-col gap-4">
          <Claim provider={provider} wallet={wallet} />
          <Why provider={provider} />
        </div>
      )}
    </ProviderPage>
  );
}

/** The provider’s leaf with its proof, checked against the root. */
function leafOf(rewards: EpochRewards, provider: string) {
  const index = rewards.set.leaves.findIndex((leaf) => leaf.provider === hexOf(provider));
  const leaf = rewards.set.leaves[index];
  if (!leaf) return null;
  const proof = proofOf(rewards.tree, index);
  const holds = proves(leaf, index, proof, rootOf(rewards.tree), keyBytes(config().program));
  return { ...leaf, index, proof, holds };
}

function Claim({ provider, wallet }: { provider: Provider; wallet: ConnectedWallet }) {
  const emission = useQuery(emissionQuery());
  const root = emission.data?.data.rootEpoch ?? 0n;
  // A new root comes every epoch: until it is read, the page stays as it is, and nothing can be claimed.
  const rewards = useQuery({ ...epochQuery(root > 0n ? root : null), placeholderData: keepPreviousData });
  if (emission.data === null) return <Notice>Emission has not begun on this network: there are no rewards yet.</Notice>;
  if (emission.data && root === 0n)
    return (
      <Notice>No epoch’s rewards are published yet. The first come when an epoch is over and the oracles agree.</Notice>
    );
  return (
    <Loaded query={rewards} skeleton={<Skeleton className="h-[27rem] md:h-[18.75rem] lg:h-[16.75rem]" />}>
      {(read) => {
        const leaf = read && leafOf(read, provider.address);
        const earned = leaf?.cumulative ?? 0n;
        const claimable = earned > provider.data.claimed ? earned - provider.data.claimed : 0n;
        const current = read?.onChain && !rewards.isPlaceholderData;
        const sound = current && read.checks.every(({ ok }) => ok !== false) && leaf?.holds;
        return (
          <Card title="Claim">
            <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
              <Stat label="Earned since genesis" note={`up to epoch ${root}`}>
                <Amount base={earned} unit={IO} />
              </Stat>
              <Stat label="Claimed">
                <Amount base={provider.data.claimed} unit={IO} />
              </Stat>
              <Stat label="Claimable now">
                <span data-testid="claimable">
                  <Amount base={claimable} unit={IO} />
                </span>
              </Stat>
              <Stat label="Paid to" note="your payout owner">
                <span className="font-mono text-sm" data-tip={provider.data.payoutOwner}>
                  {shorten(provider.data.payoutOwner)}
                </span>
              </Stat>
            </div>
            <div className="mt-4 flex flex-wrap items-start gap-x-6 gap-y-3">
              <Act
                wallet={wallet}
                disabled={!leaf || !sound || claimable === 0n}
                build={() => claimRewards(wallet.address, provider, leaf as NonNullable<typeof leaf>)}
              >
                Claim {claimable > 0n && exact(claimable, IO)}
              </Act>
              <p className="max-w-2xl text-muted text-sm">
                {!current
                  ? 'A newer root is on chain; this page follows.'
                  : !leaf
                    ? 'You are not in the leaf set: none of your devices has earned yet. Below is why.'
                    : sound
                      ? `Checked here: your leaf is number ${leaf.index}, and its proof of ${leaf.proof.length} hashes leads to the root on chain, ${hex(rootOf(read.tree)).slice(0, 12)}…`
                      : 'A check below fails. Nothing is claimed on a root that does not hold.'}{' '}
                {provider.data.coAssets > 0n && 'Co-stakers’ part is divided when you claim.'}
              </p>
            </div>
            <PayoutOwner wallet={wallet} owner={provider.data.payoutOwner} />
          </Card>
        );
      }}
    </Loaded>
  );
}

/** Whose IO account gets what jobs and epochs pay. */
function PayoutOwner({ wallet, owner }: { wallet: ConnectedWallet; owner: string }) {
  const [text, setText] = useState('');
  const next = text.trim();
  const good = isAddress(next) && next !== owner;
  return (
    <details className="mt-4 border-line border-t pt-3">
      <summary className="font-medium text-sm">Pay somebody else</summary>
      <div className="mt-3 flex max-w-xl flex-col gap-3">
        <TextField
          label="New payout owner"
          spellCheck={false}
          autoComplete="off"
          className="font-mono"
          value={text}
          error={next === '' || isAddress(next) ? null : 'an address'}
          hint="A wallet’s address: earnings of jobs and rewards go to its IO account from then on. Only this wallet can change it back."
          onChange={(event) => setText(event.target.value)}
        />
        <Act
          wallet={wallet}
          variant="outline"
          disabled={!good}
          onDone={() => setText('')}
          build={() => setPayoutOwner(wallet.address, address(next))}
        >
          Change the payout owner
        </Act>
      </div>
    </details>
  );
}

function Vesting({ wallet }: { wallet: ConnectedWallet }) {
  const vestings = useQuery(vestingsQuery());
  const now = BigInt(Math.floor(useNow(5_000)));
  // Keeps the place below the page's own part until it is known what comes there.
  if (vestings.isPending) return <Skeleton className="mt-4 h-[40rem]" />;
  const mine = (vestings.data ?? [])
    .filter(({ data }) => data.beneficiary === wallet.address)
    .sort((a, b) => a.data.index - b.data.index);
  return mine.map((one: Read<Kinds['vesting']>) => {
    const free = vested(one.data, now);
    const open = free > one.data.claimed ? free - one.data.claimed : 0n;
    return (
      <Card key={one.address} className="mt-4" title={`Genesis part: ${ALLOCATIONS[one.data.index] ?? one.data.index}`}>
        <div className="mb-4 grid grid-cols-2 gap-3 md:grid-cols-4">
          <Stat label="Total">
            <Amount base={one.data.total} unit={IO} />
          </Stat>
          <Stat label="Vested">
            <Amount base={free} unit={IO} />
          </Stat>
          <Stat label="Claimed">
            <Amount base={one.data.claimed} unit={IO} />
          </Stat>
          <Stat label="Claimable now">
            <Amount base={open} unit={IO} />
          </Stat>
        </div>
        <Act wallet={wallet} disabled={open === 0n} build={() => claimVested(wallet.address, one)}>
          Claim what vested
        </Act>
      </Card>
    );
  });
}

function Why({ provider }: { provider: Provider }) {
  const emission = useQuery(emissionQuery());
  const newest = emission.data?.data.rootEpoch ?? 0n;
  const [text, setText] = useState('');
  const epoch = text.trim() === '' ? newest : /^\d{1,7}$/.test(text.trim()) ? BigInt(text.trim()) : null;
  const rewards = useQuery({ ...epochQuery(epoch), placeholderData: keepPreviousData });
  // What stands below, genesis parts, does not jump down when it comes.
  if (emission.isPending) return <Skeleton className="h-[43rem]" />;
  if (newest === 0n) return null;
  return (
    <Card
      title={`Why was I (not) paid${epoch === null ? '' : ` in epoch ${epoch}`}?`}
      actions={
        <div className="flex items-end gap-2">
          <TextField
            label="Epoch"
            className="w-28"
            inputMode="numeric"
            placeholder={newest.toString()}
            value={text}
            error={epoch === null ? 'a number' : null}
            onChange={(event) => setText(event.target.value)}
          />
          <Button disabled={epoch === null || epoch <= 1n} onClick={() => setText(((epoch ?? 2n) - 1n).toString())}>
            Before
          </Button>
          <Button disabled={epoch === null || epoch >= newest} onClick={() => setText(((epoch ?? 0n) + 1n).toString())}>
            After
          </Button>
        </div>
      }
    >
      {epoch === null || epoch === 0n ? (
        <Empty title="Which epoch?">A number from 1 to {newest.toString()}.</Empty>
      ) : (
        <Loaded query={rewards} skeleton={<Skeleton className="h-64" />}>
          {(read) =>
            read ? (
              <Outdated when={rewards.isPlaceholderData}>
                <Explained rewards={read} provider={provider} />
              </Outdated>
            ) : rewards.isPlaceholderData ? (
              <Skeleton className="h-64" />
            ) : (
              <Empty title="No rewards of this epoch were published">
                The oracles could not agree in time, or it is not over. What it emitted is carried over to your group’s
                next epoch.
              </Empty>
            )
          }
        </Loaded>
      )}
    </Card>
  );
}

function Explained({ rewards, provider }: { rewards: EpochRewards; provider: Provider }) {
  const devices = useQuery(devicesOfProviderQuery(provider.address));
  const emission = useQuery(emissionQuery());
  const network = useQuery(networkQuery());
  const me = hexOf(provider.address);
  const rows = rewards.computed.rows.map((row, i) => ({ row, earned: rewards.computed.distribution.earned[i] ?? 0n }));
  const mine = rows.filter(({ row }) => row.provider === me);
  const absent = (devices.data ?? []).filter(({ address }) => !mine.some(({ row }) => row.device === hexOf(address)));
  const data = emission.data?.data;
  const ended = data ? Number(data.genesisAt) + Number(rewards.epoch) * data.epochSeconds : 0;
  const leaf = leafOf(rewards, provider.address);
  const checks = [
    ...rewards.checks,
    {
      name: 'Proof',
      ok: leaf === null ? mine.every(({ earned }) => earned === 0n) : leaf.holds,
      detail: leaf
        ? `${leaf.proof.length} hashes lead from your leaf (${exact(leaf.cumulative, IO)} since genesis) to the root`
        : 'you have no leaf: you had earned nothing by then',
    },
  ];
  return (
    <div className="grid gap-6">
      <div>
        <p className="mb-3 text-sm">
          The epoch ended <Time at={ended} />. Your browser computed it again from the reports of{' '}
          {rewards.evidence.reports.length} oracles:
        </p>
        <Checks checks={checks} />
      </div>
      {mine.map(({ row, earned }) => (
        <DeviceWhy key={row.device} row={row} earned={earned} rewards={rewards} />
      ))}
      {absent.map(({ address, data: device }) => (
        <div key={address} className="rounded-lg border border-line p-4 text-sm">
          <p className="mb-1 font-medium">
            <span className="font-mono">{shorten(address, 6, 6)}</span> <Badge tone="bad">not counted</Badge>
          </p>
          <p className="text-muted">
            {whyNot({
              device,
              reports: rewards.evidence.reports.map(({ report }) =>
                report.rows.some((row) => row.device === hexOf(address)),
              ),
              quorum: rewards.evidence.quorum,
              ended,
              attestationSeconds: network.data?.data.attestationSeconds,
              leastBond: network.data ? bondNeeded(network.data.data.minBond, device.multiplierE2) : undefined,
            })}
          </p>
        </div>
      ))}
      {mine.length === 0 && absent.length === 0 && (
        <Empty title="You had no devices">Nothing could earn in this epoch.</Empty>
      )}
    </div>
  );
}

function DeviceWhy({ row, earned, rewards }: { row: Row; earned: bigint; rewards: EpochRewards }) {
  const { distribution } = rewards.computed;
  const group = row.group as 0 | 1;
  const score = scoreOf(row);
  const slots = slotsOf(row);
  const zero = [
    row.multiplierE2 === 0 && 'its class has no multiplier',
    slots === 0 && 'no quorum of oracles saw it up in any slot',
    performanceBps(row) === 0n && 'nothing was measured',
    row.reputationBps === 0 && 'it has no reputation',
  ].filter(Boolean);
  return (
    <div className="rounded-lg border border-line p-4 text-sm">
      <p className="mb-3 flex flex-wrap items-center gap-2">
        <span className="font-medium font-mono">{shorten(addressOf(row.device), 6, 6)}</span>
        <Badge tone={earned > 0n ? 'good' : 'bad'}>
          {earned > 0n ? <Amount base={earned} unit={IO} /> : 'nothing'}
        </Badge>
        {zero.length > 0 && <span className="text-muted">because {zero.join(', ')}</span>}
      </p>
      <SlotStrip row={row} />
      <div className="mt-3">
        <Facts
          rows={[
            [
              'Score',
              `${row.multiplierE2 / 100} (class) × ${slots} of ${SLOTS} slots × ${percent(Number(performanceBps(row)))} performance × ${percent(row.reputationBps)} reputation = ${count(score)}`,
            ],
            [
              'Share',
              distribution.scores[group] === 0n
                ? 'nobody in the group scored'
                : `${count(score)} of ${count(distribution.scores[group])} in ${GROUPS[group]}, ${(Number((score * 1_000_000n) / distribution.scores[group]) / 10_000).toFixed(2)} %`,
            ],
            [
              'Paid out',
              <span key="p">
                <Amount base={distribution.payable[group]} unit={IO} /> to the group, <Amount base={earned} unit={IO} />{' '}
                of it to this device, rounded down
              </span>,
            ],
          ]}
        />
      </div>
    </div>
  );
}

/** The epoch’s 60 parts: up, hired, or neither. */
function SlotStrip({ row }: { row: Row }) {
  const is = (mask: bigint, slot: number) => ((mask >> BigInt(slot)) & 1n) === 1n;
  return (
    <div>
      <div
        role="img"
        aria-label={`Up in ${slotsOf(row)} of ${SLOTS} slots, hired in ${bits(row.hired)}`}
        className="flex h-5 gap-px overflow-hidden rounded"
      >
        {Array.from({ length: SLOTS }, (_, slot) => (
          <span
            // biome-ignore lint/suspicious/noArrayIndexKey: a slot is its place
            key={slot}
            className={`flex-1 ${is(row.hired, slot) ? 'bg-accent' : is(row.seen, slot) ? 'bg-good/60' : 'bg-hover'}`}
            data-tip={`slot ${slot + 1}: ${is(row.hired, slot) ? 'hired' : is(row.seen, slot) ? 'up' : 'not seen by a quorum'}`}
          />
        ))}
      </div>
      <p className="mt-1.5 flex gap-4 text-muted text-xs">
        <span className="flex items-center gap-1.5">
          <span aria-hidden className="size-2 rounded-sm bg-accent" />
          hired
        </span>
        <span className="flex items-center gap-1.5">
          <span aria-hidden className="size-2 rounded-sm bg-good/60" />
          up
        </span>
        <span className="flex items-center gap-1.5">
          <span aria-hidden className="size-2 rounded-sm border border-line bg-hover" />
          not seen
        </span>
      </p>
    </div>
  );
}
