import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { type Kinds, mintsQuery, type Read, unitOf } from '@/shared/chain';
import { count, duration, shorten } from '@/shared/format';
import { Amount, Badge, Empty, Table, Time } from '@/shared/ui';
import { costOf, STATE_TONES, stateName } from './state';

export function JobTable({ jobs, empty }: { jobs: Read<Kinds['job']>[]; empty?: ReactNode }) {
  const mints = useQuery(mintsQuery());
  return (
    <Table
      caption="Jobs"
      rows={jobs}
      rowKey={(row) => row.address}
      sort={[{ id: 'created', desc: true }]}
      empty={empty ?? <Empty title="No jobs yet">The first one appears here by itself.</Empty>}
      columns={[
        {
          header: 'Job',
          enableSorting: false,
          id: 'job',
          cell: ({ row }) => (
            <Link
              to="/cloud/jobs/$job"
              params={{ job: row.original.address }}
              className="link font-mono"
              data-tip={row.original.address}
            >
              {shorten(row.original.address, 6, 6)}
            </Link>
          ),
        },
        { header: 'Kind', id: 'kind', accessorFn: (row) => (row.data.kind === 1 ? 'lease' : 'task') },
        {
          header: 'State',
          id: 'state',
          accessorFn: (row) => row.data.state,
          cell: ({ row }) => {
            const name = stateName(row.original.data.state);
            return <Badge tone={STATE_TONES[name]}>{name}</Badge>;
          },
        },
        {
          header: 'Created',
          id: 'created',
          accessorFn: (row) => row.data.createdAt,
          sortingFn: 'basic',
          cell: ({ row }) => <Time at={row.original.data.createdAt} />,
        },
        {
          header: 'Units',
          id: 'units',
          accessorFn: (row) => row.data.units || row.data.maxUnits,
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row, getValue }) =>
            row.original.data.kind === 1 ? duration(Number(getValue())) : count(getValue() as bigint),
        },
        {
          header: 'Cost',
          id: 'cost',
          accessorFn: (row) => costOf(row.data),
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row }) => (
            <Amount base={costOf(row.original.data)} unit={unitOf(row.original.data.mint, mints.data)} />
          ),
        },
      ]}
    />
  );
}
