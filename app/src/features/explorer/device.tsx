import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { useMemo } from 'react';
import { deviceOffersQuery } from '@/shared/api';
import {
  accountQuery,
  classesQuery,
  className,
  jobsQuery,
  type Kinds,
  NOBODY,
  networkQuery,
  type Read,
} from '@/shared/chain';
import { count, duration, hex, IO, latency, pace, percent, region, regionName, shorten, size } from '@/shared/format';
import { beatAge, ifFresh, useHeartbeats, useNow } from '@/shared/live';
import { Amount, Badge, Card, Empty, Facts, Hash, Loaded, Page, Skeleton, Stat, Time } from '@/shared/ui';
import { Activity } from './activity';
import { JobLink, ProviderLink } from './links';
import { JobListing } from './lists';
import { reputationOf } from './standing';
import { ExplorerTabs } from './tabs';
import { isBusy } from './totals';

export function DevicePage() {
  const { device: at } = useParams({ from: '/explorer/devices/$device' });
  const device = useQuery(accountQuery('device', at));
  return (
    <Page title={`Device ${shorten(at, 6, 6)}`} lead={<Hash value={at} head={44} tail={0} label="device" />}>
      <ExplorerTabs />
      <div className="flex flex-col gap-4">
        <Loaded query={device} skeleton={<Skeleton className="h-[60rem]" />}>
          {(read) =>
            read ? (
              <Shown device={read} />
            ) : (
              <Empty title="No such device">
                It was retired, or the address is another’s. Its transactions are below, if it ever was one.
              </Empty>
            )
          }
        </Loaded>
        <Activity of={at} />
      </div>
    </Page>
  );
}

function Shown({ device: { address, data } }: { device: Read<Kinds['device']> }) {
  const classes = useQuery(classesQuery());
  const provider = useQuery(accountQuery('provider', data.provider));
  const network = useQuery(networkQuery());
  const offers = useQuery(deviceOffersQuery());
  const jobs = useQuery(jobsQuery());
  const last = useHeartbeats(data.provider)[address];
  const [beat, silence] = [ifFresh(last), beatAge(last)];
  const now = useNow();
  const mine = useMemo(() => jobs.data?.filter((job) => job.data.device === address) ?? [], [jobs.data, address]);
  const offer = offers.data?.find((one) => one.device === address);
  const kind = classes.data?.find((one) => one.data.id === data.class);
  const good = network.data?.data.attestationSeconds;
  const freshUntil = data.attestedAt + BigInt(good ?? 0);
  return (
    <>
      <div className="grid grid-cols-2 gap-3 md:grid-cols-4 xl:grid-cols-6">
        <Stat label="Class">{kind ? className(kind.data) : `class ${data.class}`}</Stat>
        <Stat label="State">{data.state !== 0 ? 'draining' : isBusy(data) ? 'at work' : 'idle'}</Stat>
        <Stat label="Reputation">{percent(reputationOf(data, provider.data?.data, now))}</Stat>
        <Stat label="Jobs done" note={`${data.failed} failed`}>
          {count(data.completed)}
        </Stat>
        <Stat label="Earned" note="weighed in IO">
          <Amount base={data.volume} unit={IO} />
        </Stat>
        <Stat
          label="Load"
          note={
            silence === null
              ? 'no heartbeat heard yet'
              : `heartbeat ${duration(Math.floor(silence))} ago${beat ? '' : ', silent'}`
          }
        >
          {beat ? `${Math.round(beat.load * 100)} %` : '—'}
        </Stat>
      </div>
      <div className="grid gap-4 lg:grid-cols-2">
        <Card title="On chain">
          <Facts
            rows={[
              ['Provider', <ProviderLink key="p" id={data.provider} />],
              ['Operator', <Hash key="o" value={data.operator} label="operator" />],
              [
                'Hardware',
                <Hash key="h" value={hex(data.hardware as Uint8Array)} head={8} tail={8} label="hardware id’s hash" />,
              ],
              ['Current job', data.currentJob === NOBODY ? 'none' : <JobLink key="j" id={data.currentJob} />],
              ['Region', regionName(region(data.region))],
              ['Memory', size(data.memoryMib * 1024 * 1024)],
              ['Bandwidth', `${count(data.bandwidthMibS)} MiB/s`],
              ['int8', `${(data.topsE2 / 100).toFixed(2)} TOPS`],
              ['Down', pace(data.downMbit)],
              ['Up', pace(data.upMbit)],
              ['Latency', latency(data.latencyMs)],
              ['Bond', <Amount key="b" base={data.bond} unit={IO} />],
              ['Exposure', <Amount key="e" base={data.exposure} unit={IO} />],
              [
                'Attested',
                data.attestedAt === 0n ? (
                  <Badge key="a" tone="warn">
                    never
                  </Badge>
                ) : (
                  <span key="a">
                    <Time at={data.attestedAt} />
                    {good !== undefined && (
                      <span className="text-muted">
                        {Number(freshUntil) > now
                          ? `, good for ${duration(Number(freshUntil) - now)}`
                          : ', no longer good'}
                      </span>
                    )}
                  </span>
                ),
              ],
              ['Registered', <Time key="s" at={data.since} />],
            ]}
          />
        </Card>
        <Card title="Offer">
          {offer ? (
            <Facts
              rows={[
                [
                  'Takes jobs',
                  offer.available ? (
                    <Badge key="y" tone="good">
                      yes
                    </Badge>
                  ) : (
                    <Badge key="n" tone="warn">
                      {offer.unavailable_because ?? 'no'}
                    </Badge>
                  ),
                ],
                ...Object.entries(offer.engines).map(
                  ([name, { ask, speed }]) =>
                    [
                      name,
                      <span key={name}>
                        <Amount base={ask} unit={IO} /> for 1,000 units, {count(Math.round(speed))} units/s
                      </span>,
                    ] as const,
                ),
                beat?.temperature_c != null && ['Temperature', `${beat.temperature_c.toFixed(0)} °C`],
                beat?.power_w != null && ['Power', `${beat.power_w.toFixed(0)} W`],
                beat && ['Software', beat.version],
              ]}
            />
          ) : offers.error ? (
            <p className="text-muted text-sm">The oracle does not answer; what the chain says stands beside.</p>
          ) : (
            <p className="text-muted text-sm">
              {offers.isPending
                ? 'Reading…'
                : 'This oracle has seen no heartbeat of it: it is off, or connected elsewhere.'}
            </p>
          )}
        </Card>
      </div>
      <JobListing rows={mine} caption="Jobs of this device" />
    </>
  );
}
