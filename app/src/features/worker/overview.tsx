import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Act } from '@/shared/act';
import { deviceOffersQuery, type Offer } from '@/shared/api';
import {
  classesQuery,
  className,
  devicesOfProviderQuery,
  emissionQuery,
  type Kinds,
  NOBODY,
  networkQuery,
  type Read,
  solBalanceQuery,
} from '@/shared/chain';
import { count, duration, exact, IO, latency, pace, percent, plural, shorten, size } from '@/shared/format';
import { type Beat, beatAge, ifFresh, useHeartbeats, useLiveStatus, useNow } from '@/shared/live';
import { type EpochRewards, epochQuery, hexOf, SLOTS, scoreBps, slotsOf, together } from '@/shared/rewards';
import {
  Amount,
  Badge,
  buttonClass,
  Card,
  cx,
  Empty,
  Hash,
  Loaded,
  Notice,
  Progress,
  Skeleton,
  Stat,
} from '@/shared/ui';
import type { ConnectedWallet } from '@/shared/wallet';
import { AmountForm } from './amount-form';
import { type Provider, ProviderPage } from './frame';
import { healthOf, penaltyDue } from './health';
import { drain, payPenalty, retire, setBond } from './transactions';

const MIB = 1024 * 1024;

export function Overview() {
  return (
    <ProviderPage title="Your devices" lead="What your hardware does, earns and risks, as it happens.">
      {(provider, wallet) => <Devices provider={provider} wallet={wallet} />}
    </ProviderPage>
  );
}

function Devices({ provider, wallet }: { provider: Provider; wallet: ConnectedWallet }) {
  const devices = useQuery(devicesOfProviderQuery(provider.address));
  const offers = useQuery(deviceOffersQuery());
  const beats = useHeartbeats(provider.address);
  const network = useQuery(networkQuery());
  const emission = useQuery(emissionQuery());
  const root = emission.data?.data.rootEpoch ?? 0n;
  const rewards = useQuery({ ...epochQuery(root > 0n ? root : null), placeholderData: keepPreviousData });
  const { data } = provider;
  useNow();
  const connected = Object.values(beats).filter((beat) => ifFresh(beat)).length;
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
        <Stat label="Staked" note="yours">
          <Amount base={data.staked} unit={IO} />
        </Stat>
        <Stat label="Bound" note="to devices and penalties">
          <Amount base={data.committed} unit={IO} />
        </Stat>
        <Stat label="Devices">{count(data.devices)}</Stat>
        <Stat label="Connected" note="heard on this page just now">
          {connected}
        </Stat>
      </div>
      {offers.error && (
        <Notice tone="warn">
          The oracle does not answer: load and heartbeats are missing. What the chain says is shown.
        </Notice>
      )}
      <Loaded query={devices} skeleton={<Skeleton className="h-[60rem]" />}>
        {(rows) =>
          // With what all checks are made of, so that none opens up later.
          offers.isPending || network.isPending ? (
            <Skeleton className="h-[60rem]" />
          ) : rows.length === 0 ? (
            <Empty
              title="No devices yet"
              action={
                <Link to="/worker/setup" className={buttonClass('primary')}>
                  Add one
                </Link>
              }
            >
              It takes one command on the machine that has it, and one signature here.
            </Empty>
          ) : (
            rows
              .toSorted((a, b) => (a.address < b.address ? -1 : 1))
              .map((device) => (
                <DeviceCard
                  key={device.address}
                  device={device}
                  provider={provider}
                  wallet={wallet}
                  beat={beats[device.address]}
                  offer={offers.data?.find((one) => one.device === device.address)}
                  apiUp={offers.data !== undefined}
                  upIn={rewards.data ? upIn(rewards.data, device.address) : null}
                />
              ))
          )
        }
      </Loaded>
    </div>
  );
}

/** How much of the newest published epoch a quorum of oracles saw a device up. */
function upIn({ epoch, computed }: EpochRewards, device: string) {
  const row = computed.rows.find((one) => one.device === hexOf(device));
  return { epoch, slots: row ? slotsOf(row) : 0 };
}

function Gauge({ label, text, value }: { label: string; text: string; value: number | null }) {
  return (
    <div className="min-w-0">
      <div className="flex justify-between gap-2 text-xs">
        <span className="text-muted">{label}</span>
        <span className="tabular-nums">{text}</span>
      </div>
      <div className="mt-1.5">
        {value === null ? <div className="h-1.5" /> : <Progress label={label} value={value} max={1} />}
      </div>
    </div>
  );
}

function DeviceCard({
  device: { address, data },
  provider,
  wallet,
  beat: last,
  offer,
  apiUp,
  upIn,
}: {
  device: Read<Kinds['device']>;
  provider: Provider;
  wallet: ConnectedWallet;
  beat: Beat | undefined;
  offer: Offer | undefined;
  apiUp: boolean;
  upIn: { epoch: bigint; slots: number } | null;
}) {
  const classes = useQuery(classesQuery());
  const network = useQuery(networkQuery());
  const operator = useQuery(solBalanceQuery(data.operator));
  const { up } = useLiveStatus();
  const now = useNow();
  const kind = classes.data?.find((one) => one.data.id === data.class);
  const [beat, silence] = [ifFresh(last), beatAge(last)];
  const checks = healthOf({
    device: data,
    network: network.data?.data,
    offer,
    apiUp: apiUp && up !== false,
    beat,
    silence,
    operatorLamports: operator.data,
    address,
    now,
  });
  const failures = checks.filter(({ ok }) => !ok);
  const job = data.currentJob !== NOBODY ? data.currentJob : (beat?.job ?? null);
  const memory = Math.max(1, data.memoryMib);
  return (
    <Card
      title={
        <span className="flex flex-wrap items-center gap-2">
          <Link
            to="/explorer/devices/$device"
            params={{ device: address }}
            className="link font-mono text-sm"
            data-tip={address}
          >
            {shorten(address, 6, 6)}
          </Link>
          <span className="font-normal text-muted text-sm">{kind ? className(kind.data) : `class ${data.class}`}</span>
          <Badge tone={failures.length === 0 ? 'good' : 'warn'}>
            {failures.length === 0 ? 'healthy' : `${failures.length} to fix`}
          </Badge>
        </span>
      }
      actions={
        <Act
          wallet={wallet}
          variant="outline"
          build={() => drain(wallet.address, address, data.state === 0)}
          tip={data.state === 0 ? 'Finishes what runs, takes nothing new.' : 'Takes jobs again.'}
        >
          {data.state === 0 ? 'Drain' : 'Take jobs'}
        </Act>
      }
    >
      <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2 lg:grid-cols-4">
        <Gauge label="Load" text={beat ? `${Math.round(beat.load * 100)} %` : '—'} value={beat ? beat.load : null} />
        <Gauge
          label="Memory"
          text={beat ? `${size(beat.memory_used_mib * MIB)} of ${size(memory * MIB)}` : size(memory * MIB)}
          value={beat ? beat.memory_used_mib / memory : null}
        />
        <Gauge
          label="Temperature"
          text={!beat ? '—' : beat.temperature_c == null ? 'not measured' : `${beat.temperature_c.toFixed(0)} °C`}
          value={beat?.temperature_c == null ? null : beat.temperature_c / 100}
        />
        <Gauge
          label="Power"
          text={!beat ? '—' : beat.power_w == null ? 'not measured' : `${beat.power_w.toFixed(0)} W`}
          value={null}
        />
      </div>
      <dl className="mt-2 flex flex-wrap gap-x-8 gap-y-2 text-sm">
        <Fact label="Job">
          {job ? (
            <Link to="/explorer/jobs/$job" params={{ job }} className="link font-mono">
              {shorten(job)}
            </Link>
          ) : (
            'none'
          )}
        </Fact>
        <Fact label="Done">{count(data.completed)}</Fact>
        <Fact label="Earned">
          <Amount base={data.volume} unit={IO} />
        </Fact>
        <Fact label="Bond">
          <Amount base={data.bond} unit={IO} />
        </Fact>
        <Fact label="Reputation">
          {percent(scoreBps(together(data.record, provider.data.record), BigInt(Math.floor(now))))}
        </Fact>
        <Fact label="Up, newest epoch">
          {upIn ? (
            <span data-tip={`${upIn.slots} of ${SLOTS} slots of epoch ${upIn.epoch}, as a quorum of oracles saw it`}>
              {Math.round((100 * upIn.slots) / SLOTS)} %
            </span>
          ) : (
            '—'
          )}
        </Fact>
        <Fact label="Registered">{duration(now - Number(data.since))} ago</Fact>
        <Fact label="Link">
          <span data-tip="Down, up and longest round trip, as a quorum of oracles measured and signed it">
            {pace(data.downMbit)} / {pace(data.upMbit)}, {latency(data.latencyMs)}
          </span>
        </Fact>
        <Fact label="Heartbeat">
          <span
            data-testid="heartbeat"
            className={cx('inline-block min-w-24 tabular-nums', !beat && silence !== null && 'text-warn')}
          >
            {silence === null ? 'none heard yet' : `${duration(Math.floor(silence))} ago`}
          </span>
        </Fact>
        <Fact label="Answers in">{beat?.rtt_ms == null ? '—' : `${beat.rtt_ms} ms`}</Fact>
        <Fact label="Operator">
          <Hash value={data.operator} label="operator" />
        </Fact>
      </dl>
      <Manage device={{ address, data }} provider={provider} wallet={wallet} />
      <details className="mt-4 border-line border-t pt-3" open={failures.length > 0}>
        <summary className="font-medium text-sm">Health checks</summary>
        <ul className="mt-3 grid gap-2 text-sm lg:grid-cols-2">
          {checks.map(({ name, ok, detail, fix }) => (
            <li key={name} className="flex gap-2">
              <span className={ok ? 'text-good' : 'text-bad'}>
                <span aria-hidden>{ok ? '✓' : '✗'}</span>
                <span className="sr-only">{ok ? 'holds' : 'fails'}</span>
              </span>
              <span className="min-w-0 break-words">
                <span className="font-medium">{name}</span> <span className="text-muted">{detail}</span>
                {fix && <span className="block">{fix}</span>}
              </span>
            </li>
          ))}
        </ul>
      </details>
    </Card>
  );
}

/** What its owner does seldom. */
function Manage({
  device: { address, data },
  provider,
  wallet,
}: {
  device: Pick<Read<Kinds['device']>, 'address' | 'data'>;
  provider: Provider;
  wallet: ConnectedWallet;
}) {
  const whole = provider.data.staked + provider.data.coAssets;
  const free = whole > provider.data.committed ? whole - provider.data.committed : 0n;
  const due = penaltyDue(data);
  return (
    <details className="mt-4 border-line border-t pt-3">
      <summary className="font-medium text-sm">Bond and retirement</summary>
      <div className="mt-3 grid items-start gap-6 text-sm sm:grid-cols-2">
        <AmountForm label="New bond, IO" most={data.bond + free} mostWords="At most, with what is free">
          {(bond, clear) => (
            <Act
              wallet={wallet}
              variant="outline"
              disabled={bond === null || bond === data.bond}
              onDone={clear}
              build={() => setBond(wallet.address, address, bond as bigint)}
            >
              Change the bond
            </Act>
          )}
        </AmountForm>
        <div className="grid gap-3">
          {due > 0n && (
            <Act wallet={wallet} build={() => payPenalty(wallet.address, address, provider.data.slashCases)}>
              Pay the penalty of {exact(due, IO)}
            </Act>
          )}
          <p className="text-muted">
            A bond is lowered, and a device retired, a day after its last figures: stop its worker first. Retired, its
            bond is free stake again, and its record stays with you.
          </p>
          <Act
            wallet={wallet}
            variant="danger"
            disabled={data.openJobs > 0 || due > 0n}
            build={() => retire(wallet.address, address)}
          >
            Retire it
          </Act>
          {data.openJobs > 0 && <p className="text-muted">It has {plural(data.openJobs, 'unsettled job')}.</p>}
        </div>
      </div>
    </details>
  );
}

function Fact({ label, children }: { label: string; children: React.ReactNode }) {
  return (
    <div className="flex gap-2">
      <dt className="text-muted">{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}
