import { useQuery } from '@tanstack/react-query';
import { devicesQuery, jobsQuery, NOBODY, oracleSetQuery, providersQuery } from '@/shared/chain';
import { count, IO } from '@/shared/format';
import { isFinal } from '@/shared/jobs';
import { Amount, Stat } from '@/shared/ui';

/** The network in four figures, from the chain. */
export default function Glance() {
  const [devices, jobs] = [useQuery(devicesQuery()), useQuery(jobsQuery())];
  const [providers, oracles] = [useQuery(providersQuery()), useQuery(oracleSetQuery())];
  const unread = (query: { error: unknown }) => (query.error ? 'the chain does not answer' : 'reading');
  const staked = providers.data?.reduce((sum, { data }) => sum + data.staked + data.coAssets, 0n);
  return (
    <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
      <Stat
        label="Devices"
        note={
          devices.data
            ? `${count(devices.data.filter(({ data }) => data.currentJob !== NOBODY).length)} at work now`
            : unread(devices)
        }
      >
        {devices.data ? count(devices.data.length) : '…'}
      </Stat>
      <Stat
        label="Jobs on chain"
        note={
          jobs.data ? `${count(jobs.data.filter(({ data }) => !isFinal(data.state)).length)} under way` : unread(jobs)
        }
      >
        {jobs.data ? count(jobs.data.length) : '…'}
      </Stat>
      <Stat
        label="Staked"
        note={providers.data ? `by ${count(providers.data.length)} providers and their co-stakers` : unread(providers)}
      >
        {staked === undefined ? '…' : <Amount base={staked} unit={IO} />}
      </Stat>
      <Stat label="Oracles" note={oracles.data ? `${oracles.data.data.quorum} decide together` : unread(oracles)}>
        {oracles.data ? count(oracles.data.data.count) : '…'}
      </Stat>
    </div>
  );
}
