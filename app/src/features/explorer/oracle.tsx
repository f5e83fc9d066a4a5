import type { Address } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { useParams } from '@tanstack/react-router';
import { infoQuery } from '@/shared/api';
import { accountQuery, oracleSetQuery, oraclesQuery, pda } from '@/shared/chain';
import { IO, shorten } from '@/shared/format';
import { Amount, Badge, Card, Empty, Facts, Hash, Page, Skeleton, Stat, Time } from '@/shared/ui';
import { Activity } from './activity';
import { SearchLink } from './links';
import { ExplorerTabs } from './tabs';

export function OraclePage() {
  const { oracle: key } = useParams({ from: '/explorer/oracles/$oracle' });
  const bonds = useQuery(oraclesQuery());
  const set = useQuery(oracleSetQuery());
  const info = useQuery(infoQuery());
  const at = useQuery({
    queryKey: ['chain', 'oracleOf', key],
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    queryFn: () => pda.oracle(key as Address),
  });
  const bond = useQuery({ ...accountQuery('oracle', at.data ?? ''), enabled: at.data !== undefined });
  const slot = set.data?.data.oracles.indexOf(key as Address) ?? -1;
  const peer =
    info.data?.oracle === key ? 'this page’s oracle' : info.data?.peers.find((one) => one.oracle === key)?.url;
  const data = bond.data?.data;
  // Its bond's account is named by whoever came from a list of accounts.
  const known = slot >= 0 || data || bonds.data?.some((one) => one.data.key === key);
  return (
    <Page title={`Oracle ${shorten(key, 6, 6)}`} lead={<Hash value={key} head={44} tail={0} label="oracle" />}>
      <ExplorerTabs />
      <div className="flex flex-col gap-4">
        {set.isPending || bonds.isPending ? (
          <Skeleton className="h-60" />
        ) : !known ? (
          <Empty title="No such oracle">This key is not in the set and has no bond.</Empty>
        ) : (
          <>
            <div className="grid grid-cols-2 gap-3 md:grid-cols-4">
              <Stat label="In the set">{slot >= 0 ? <Badge tone="good">slot {slot}</Badge> : <Badge>no</Badge>}</Stat>
              <Stat
                label="Bond"
                note={data ? 'lost if it contradicts itself' : 'the network asks for none, or it has not registered'}
              >
                {data ? <Amount base={data.bond} unit={IO} /> : 'none'}
              </Stat>
              <Stat label="On its way out" note={data && data.unbonding > 0n ? 'still at stake' : undefined}>
                {data ? <Amount base={data.unbonding} unit={IO} /> : '—'}
              </Stat>
              <Stat label="Lost, ever">{data ? <Amount base={data.slashed} unit={IO} /> : '—'}</Stat>
            </div>
            <Card title="Who">
              <Facts
                rows={[
                  [
                    'Set',
                    set.data
                      ? `version ${set.data.data.version}, ${set.data.data.quorum} of ${set.data.data.count} decide`
                      : 'reading',
                  ],
                  ['API', peer ?? 'not known to the oracle that serves this page'],
                  data && ['Owner', <SearchLink key="o" id={data.owner} />],
                  data && data.unbonding > 0n && ['Out at', <Time key="r" at={data.readyAt} />],
                  data && ['Since', <Time key="s" at={data.since} />],
                  ['Signatures', 'verdicts are on each job’s page, roots on each epoch’s'],
                ]}
              />
            </Card>
          </>
        )}
        <Activity of={key} />
      </div>
    </Page>
  );
}
