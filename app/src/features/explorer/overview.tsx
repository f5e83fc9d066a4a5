import { useQuery } from '@tanstack/react-query';
import { devicesQuery, jobsQuery, providersQuery } from '@/shared/chain';
import { JobTable } from '@/shared/jobs';
import { Card, Loaded, Page, Skeleton, Stat } from '@/shared/ui';

export function Overview() {
  const [devices, providers, jobs] = [useQuery(devicesQuery()), useQuery(providersQuery()), useQuery(jobsQuery())];
  const figure = (list: readonly unknown[] | undefined) => list?.length ?? '…';
  return (
    <Page title="The network" lead="Read from the chain by your browser.">
      <div className="mb-4 grid grid-cols-2 gap-3 md:grid-cols-4">
        <Stat label="Providers">{figure(providers.data)}</Stat>
        <Stat label="Devices">{figure(devices.data)}</Stat>
        <Stat label="Jobs on chain">{figure(jobs.data)}</Stat>
        <Stat label="Running">{figure(jobs.data?.filter((job) => job.data.state === 2))}</Stat>
      </div>
      <Card title="Jobs">
        <Loaded query={jobs} skeleton={<Skeleton className="h-64" />}>
          {(rows) => <JobTable jobs={rows} />}
        </Loaded>
      </Card>
    </Page>
  );
}
