import type { Kinds, Read } from '@/shared/chain';
import { IO } from '@/shared/format';
import { SLASH_TONES, slashCause, slashState } from '@/shared/slashes';
import { Amount, Badge, Time } from '@/shared/ui';
import { DeviceLink, JobLink } from './links';
import { Listing } from './listing';

export function SlashListing({ rows }: { rows: Read<Kinds['slashCase']>[] }) {
  return (
    <Listing
      caption="Slash cases"
      file="slash-cases"
      rows={rows}
      rowKey={(row) => row.address}
      record={({ address, data }) => ({
        case: address,
        state: slashState(data.state),
        cause: slashCause(data.cause),
        job: data.job,
        device: data.device,
        amount_base_units: data.amount,
        burned_base_units: data.burned,
        opened_at: data.openedAt,
        appeal_until: data.appealUntil,
        decided_at: data.decidedAt || null,
      })}
      columns={[
        {
          header: 'Case',
          id: 'number',
          accessorFn: (row) => Number(row.data.number),
          cell: ({ row }) => <span data-tip={row.original.address}>{row.original.data.number.toString()}</span>,
        },
        {
          header: 'State',
          id: 'state',
          accessorFn: (row) => slashState(row.data.state),
          cell: ({ row }) => {
            const name = slashState(row.original.data.state);
            return <Badge tone={SLASH_TONES[name]}>{name}</Badge>;
          },
        },
        { header: 'Why', id: 'cause', accessorFn: (row) => slashCause(row.data.cause) },
        { header: 'Job', id: 'job', enableSorting: false, cell: ({ row }) => <JobLink id={row.original.data.job} /> },
        {
          header: 'Device',
          id: 'device',
          enableSorting: false,
          cell: ({ row }) => <DeviceLink id={row.original.data.device} />,
        },
        {
          header: 'Penalty',
          id: 'amount',
          accessorFn: (row) => row.data.amount,
          sortingFn: 'basic',
          cell: ({ row }) => <Amount base={row.original.data.amount} unit={IO} />,
          meta: { right: true },
        },
        {
          header: 'Opened',
          id: 'opened',
          accessorFn: (row) => row.data.openedAt,
          sortingFn: 'basic',
          cell: ({ row }) => <Time at={row.original.data.openedAt} />,
        },
      ]}
    />
  );
}
