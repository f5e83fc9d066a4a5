import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { JobView } from '@/shared/api';
import { mintsQuery, unitOf } from '@/shared/chain';
import { shorten } from '@/shared/format';
import { STATE_TONES, type StateName } from '@/shared/jobs';
import { Amount, Badge, Table, Time } from '@/shared/ui';
import { costOfView } from './spending';

/** Jobs that the chain has forgotten, as an oracle remembers them. */
export function ClosedTable({ jobs }: { jobs: JobView[] }) {
  const mints = useQuery(mintsQuery());
  return (
    <section className="flex flex-col gap-2">
      <h2 className="font-semibold text-base">Closed on chain</h2>
      <p className="text-muted text-sm">
        As this oracle remembers them. A result can be downloaded on its job’s page for as long as an oracle keeps it.
      </p>
      <Table
        caption="Closed on chain"
        rows={jobs}
        rowKey={(row) => `${row.job} ${row.created_at}`}
        sort={[{ id: 'created', desc: true }]}
        columns={[
          {
            header: 'Job',
            id: 'job',
            enableSorting: false,
            cell: ({ row }) => (
              <Link
                to="/cloud/jobs/$job"
                params={{ job: row.original.job }}
                className="link font-mono"
                data-tip={row.original.job}
              >
                {shorten(row.original.job, 6, 6)}
              </Link>
            ),
          },
          {
            header: 'State',
            id: 'state',
            accessorFn: (row) => row.state,
            cell: ({ row }) => <Badge tone={STATE_TONES[row.original.state as StateName]}>{row.original.state}</Badge>,
          },
          {
            header: 'Created',
            id: 'created',
            accessorFn: (row) => row.created_at,
            cell: ({ row }) => <Time at={row.original.created_at} />,
          },
          {
            header: 'Cost',
            id: 'cost',
            accessorFn: costOfView,
            sortingFn: 'basic',
            meta: { right: true },
            cell: ({ row }) => <Amount base={costOfView(row.original)} unit={unitOf(row.original.mint, mints.data)} />,
          },
        ]}
      />
    </section>
  );
}
