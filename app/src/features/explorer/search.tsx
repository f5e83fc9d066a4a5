import { type Address, isAddress } from '@solana/kit';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { Navigate, useSearch } from '@tanstack/react-router';
import { api, takeMaybe } from '@/shared/api';
import { decodeAny, fetchAccount, fetchAll, membersOf, OFFSETS, PROGRAM, pda, rpc } from '@/shared/chain';
import { hex, shorten } from '@/shared/format';
import { Card, Empty, Facts, Hash, Loaded, Page, Skeleton } from '@/shared/ui';
import { Activity } from './activity';
import { guess } from './find';
import { JobListing } from './lists';
import { ExplorerTabs } from './tabs';

type Found =
  | { to: 'device' | 'provider' | 'job' | 'oracle' | 'transaction' | 'epoch'; id: string }
  | { to: 'overview' | 'nothing' }
  | {
      to: 'account';
      id: string;
      owner: string | null;
      lamports: bigint;
      jobs: Awaited<ReturnType<typeof fetchAll<'job'>>>;
    };

async function findAddress(id: string, signal: AbortSignal): Promise<Found> {
  if (!isAddress(id)) return { to: 'nothing' };
  const { context, value } = await rpc()
    .getAccountInfo(id, { encoding: 'base64', commitment: 'confirmed' })
    .send({ abortSignal: signal });
  if (value?.owner === PROGRAM) {
    const read = decodeAny(id, context.slot, value.data[0]);
    if (read?.kind === 'device' || read?.kind === 'provider' || read?.kind === 'job') return { to: read.kind, id };
    if (read?.kind === 'oracle') return { to: 'oracle', id: read.data.key };
    if (read?.kind === 'slashCase' || read?.kind === 'coStake') return { to: 'provider', id: read.data.provider };
    if (read) return { to: 'overview' };
  }
  // A key that something else is named after: an oracle's, or a provider's wallet.
  const [set, bond, provider] = await Promise.all([
    pda.oracleSet().then((at) => fetchAccount('oracleSet', at, signal)),
    pda.oracle(id as Address).then((at) => fetchAccount('oracle', at, signal)),
    pda.provider(id as Address),
  ]);
  if (bond || membersOf(set?.data).includes(id)) return { to: 'oracle', id };
  if (await fetchAccount('provider', provider, signal)) return { to: 'provider', id: provider };
  const closed = await takeMaybe(api().GET('/v1/jobs/{job}', { params: { path: { job: id } }, signal })).catch(
    () => null,
  );
  if (closed) return { to: 'job', id };
  const jobs = await fetchAll('job', [{ offset: OFFSETS.job.renter, bytes: id }], signal);
  if (!value && jobs.length === 0) return { to: 'nothing' };
  return { to: 'account', id, owner: value?.owner ?? null, lamports: value?.lamports ?? 0n, jobs };
}

async function findHash(hash: string, signal: AbortSignal): Promise<Found> {
  const is = (bytes: unknown) => hex(bytes as Uint8Array) === hash;
  const device = (await fetchAll('device', [], signal)).find(({ data }) => is(data.hardware));
  if (device) return { to: 'device', id: device.address };
  const job = (await fetchAll('job', [], signal)).find(
    ({ data }) => is(data.specHash) || is(data.outputHash) || is(data.traceRoot),
  );
  return job ? { to: 'job', id: job.address } : { to: 'nothing' };
}

const searchQuery = (text: string) =>
  queryOptions({
    queryKey: ['search', text],
    staleTime: 10_000,
    queryFn: async ({ signal }): Promise<Found> => {
      const what = guess(text);
      switch (what.kind) {
        case 'epoch':
          return { to: 'epoch', id: what.epoch };
        case 'transaction':
          return { to: 'transaction', id: what.signature };
        case 'address':
          return findAddress(what.address, signal);
        case 'hash':
          return findHash(what.hash, signal);
        default:
          return { to: 'nothing' };
      }
    },
  });

export function SearchPage() {
  const { q } = useSearch({ from: '/explorer/search' });
  const found = useQuery(searchQuery(q));
  return (
    <Page title="Search">
      <ExplorerTabs query={q} />
      <Loaded query={found} skeleton={<Skeleton className="h-48" />}>
        {(result) => <Result text={q} found={result} />}
      </Loaded>
    </Page>
  );
}

function Result({ text, found }: { text: string; found: Found }) {
  switch (found.to) {
    case 'device':
      return <Navigate to="/explorer/devices/$device" params={{ device: found.id }} replace />;
    case 'provider':
      return <Navigate to="/explorer/providers/$provider" params={{ provider: found.id }} replace />;
    case 'job':
      return <Navigate to="/explorer/jobs/$job" params={{ job: found.id }} replace />;
    case 'oracle':
      return <Navigate to="/explorer/oracles/$oracle" params={{ oracle: found.id }} replace />;
    case 'transaction':
      return <Navigate to="/explorer/transactions/$signature" params={{ signature: found.id }} replace />;
    case 'epoch':
      return <Navigate to="/explorer/epochs/$epoch" params={{ epoch: found.id }} replace />;
    case 'overview':
      return <Navigate to="/explorer" replace />;
    case 'account':
      return (
        <div className="flex flex-col gap-4">
          <Card title={`Account ${shorten(found.id, 6, 6)}`}>
            <Facts
              rows={[
                ['Address', <Hash key="a" value={found.id} head={44} tail={0} label="address" />],
                ['Holds', `${Number(found.lamports) / 1e9} SOL`],
                found.owner !== null && [
                  'Belongs to',
                  <Hash key="o" value={found.owner} head={44} tail={0} label="program" />,
                ],
                ['Here it is', found.jobs.length > 0 ? 'a renter' : 'neither a provider, an oracle nor a renter'],
              ]}
            />
          </Card>
          {found.jobs.length > 0 && <JobListing rows={found.jobs} caption="Jobs of this renter" />}
          <Activity of={found.id} />
        </div>
      );
    default:
      return (
        <Empty
          title={
            text
              ? `Nothing is called “${text.length > 90 ? `${text.slice(0, 90)}…` : text}”`
              : 'What are you looking for?'
          }
        >
          Paste a whole address (job, device, provider, oracle, wallet), a transaction’s signature, a hash of 64 hex
          digits, or the number of an epoch.
        </Empty>
      );
  }
}
