import { address } from '@solana/kit';
import { queryOptions, useQuery } from '@tanstack/react-query';
import { rpc } from '@/shared/chain';
import { count } from '@/shared/format';
import { Badge, Empty, Loaded, Skeleton, Time } from '@/shared/ui';
import { TransactionLink } from './links';
import { Listing } from './listing';

/** Newest transactions read of an account. */
const MOST = 200;

const signaturesQuery = (of: string) =>
  queryOptions({
    queryKey: ['chain', 'signatures', of],
    queryFn: ({ signal }) =>
      rpc()
        .getSignaturesForAddress(address(of), { limit: MOST, commitment: 'confirmed' })
        .send({ abortSignal: signal }),
    refetchInterval: 15_000,
  });

/** What touched an account. */
export function Activity({ of }: { of: string }) {
  const signatures = useQuery(signaturesQuery(of));
  return (
    <Loaded query={signatures} skeleton={<Skeleton className="h-48" />}>
      {(rows) => (
        <Listing
          caption="Transactions"
          file={`transactions-${of.slice(0, 8)}`}
          note={rows.length === MOST ? `The newest ${MOST}.` : undefined}
          rows={[...rows]}
          rowKey={(row) => row.signature}
          record={(row) => ({
            signature: row.signature,
            slot: row.slot,
            at: row.blockTime === null ? null : BigInt(row.blockTime),
            failed: row.err !== null,
          })}
          empty={<Empty title="No transactions">The node keeps recent ones only.</Empty>}
          columns={[
            {
              header: 'Transaction',
              id: 'signature',
              enableSorting: false,
              cell: ({ row }) => <TransactionLink id={row.original.signature} />,
            },
            {
              header: 'Slot',
              id: 'slot',
              accessorFn: (row) => row.slot,
              sortingFn: 'basic',
              cell: ({ row }) => count(row.original.slot),
            },
            {
              header: 'Result',
              id: 'result',
              accessorFn: (row) => row.err !== null,
              cell: ({ row }) => (
                <Badge tone={row.original.err ? 'bad' : 'good'}>{row.original.err ? 'failed' : 'done'}</Badge>
              ),
            },
            {
              header: 'Time',
              id: 'time',
              accessorFn: (row) => row.blockTime ?? 0n,
              sortingFn: 'basic',
              cell: ({ row }) => (row.original.blockTime === null ? '—' : <Time at={row.original.blockTime} />),
            },
          ]}
        />
      )}
    </Loaded>
  );
}
