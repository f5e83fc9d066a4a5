import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import type { Offer } from '@/shared/api';
import { deviceOffersQuery } from '@/shared/api';
import { AmountError, count, IO, parseAmount, percent, regionName, short, size } from '@/shared/format';
import {
  Amount,
  Badge,
  Button,
  buttonClass,
  Empty,
  Hash,
  Loaded,
  Notice,
  Page,
  SelectField,
  Skeleton,
  Table,
  TextField,
} from '@/shared/ui';
import { CloudTabs } from '../tabs';
import { askOf, ENGINES, type Filters, sieve, VERIFICATION } from './filters';

/** Amount as somebody would type it. */
const typed = (base: string | undefined) => (base ? short(BigInt(base), IO).replace(/ IO|\u202f/g, '') : '');

export function OffersPage() {
  const filters = useSearch({ from: '/cloud/' });
  const navigate = useNavigate({ from: '/cloud/' });
  const engine = filters.engine ?? 'embed';
  const query = useQuery(deviceOffersQuery());
  const set = (change: Filters) => navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const number = (text: string) => (text === '' ? undefined : Math.max(0, Math.floor(Number(text))) || undefined);
  const offers = query.data ?? [];
  const classes = [...new Map(offers.map((offer) => [offer.class, offer.class_name])).entries()].sort(
    ([a], [b]) => a - b,
  );
  const regions = [
    ...new Set([...offers.flatMap((offer) => offer.region ?? []), ...(filters.region ? [filters.region] : [])]),
  ].sort();
  const { kept, removed } = sieve(offers, filters);
  const active = Object.keys(filters).some((name) => name !== 'engine');
  return (
    <Page
      title="Offers"
      lead="Devices and what they ask now. This page’s address holds your filters: share it."
      actions={
        <Link to="/cloud/new" search={filters} className={buttonClass('primary')}>
          New job on these
        </Link>
      }
    >
      <CloudTabs />
      <form
        className="mb-4 grid grid-cols-2 gap-3 sm:grid-cols-3 lg:grid-cols-7"
        onSubmit={(event) => event.preventDefault()}
      >
        <SelectField
          label="Work"
          value={engine}
          onChange={(event) => set({ engine: ENGINES.find((one) => one === event.target.value) })}
        >
          <option value="embed">Embeddings</option>
          <option value="wasm">WebAssembly</option>
        </SelectField>
        <SelectField
          label="Class"
          value={filters.class ?? ''}
          onChange={(event) => set({ class: event.target.value === '' ? undefined : Number(event.target.value) })}
        >
          <option value="">any</option>
          {classes.map(([id, name]) => (
            <option key={id} value={id}>
              {name || `class ${id}`}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Memory, MiB"
          type="number"
          min={0}
          step={1024}
          placeholder="any"
          value={filters.memory ?? ''}
          onChange={(event) => set({ memory: number(event.target.value) })}
        />
        <SelectField
          label="Region"
          value={filters.region ?? ''}
          onChange={(event) => set({ region: event.target.value || undefined })}
        >
          <option value="">any</option>
          {regions.map((code) => (
            <option key={code} value={code}>
              {regionName(code)}
            </option>
          ))}
        </SelectField>
        <TextField
          label="Price ≤, IO / 1,000"
          inputMode="decimal"
          placeholder="any"
          key={filters.price ?? 'any'}
          defaultValue={typed(filters.price)}
          onBlur={(event) => {
            try {
              set({ price: event.target.value ? parseAmount(event.target.value, IO).toString() : undefined });
            } catch (error) {
              if (!(error instanceof AmountError)) throw error;
              event.target.value = typed(filters.price);
            }
          }}
        />
        <TextField
          label="Reputation ≥, %"
          type="number"
          min={0}
          max={100}
          placeholder="any"
          value={filters.reputation ?? ''}
          onChange={(event) => set({ reputation: Math.min(100, number(event.target.value) ?? 0) || undefined })}
        />
        <label className="flex items-end gap-2 pb-2 text-sm">
          <input
            type="checkbox"
            className="size-4 accent-accent"
            checked={filters.free ?? false}
            onChange={(event) => set({ free: event.target.checked || undefined })}
          />
          Free now
        </label>
      </form>
      <p className="mb-3 text-muted text-sm">
        Verified {VERIFICATION[engine].name}: {VERIFICATION[engine].text}.
      </p>
      <Loaded query={query} skeleton={<Skeleton className="h-72" />}>
        {() => (
          <div className="flex flex-col gap-4">
            {removed.length > 0 && (active || kept.length === 0) && (
              <Notice>
                <span className="font-medium">
                  {kept.length} of {offers.length} left.
                </span>{' '}
                {removed.map(({ name, count, cheaper }) => (
                  <span key={name}>
                    Without “{name}” {count} more{cheaper !== null && `, from ${short(cheaper, IO)}`}.{' '}
                  </span>
                ))}
                {active && (
                  <Button
                    variant="ghost"
                    className="min-h-0 px-1 py-0 underline"
                    onClick={() => navigate({ search: { engine: filters.engine }, replace: true })}
                  >
                    Clear filters
                  </Button>
                )}
              </Notice>
            )}
            <OfferTable offers={kept} engine={engine} anyAtAll={offers.length > 0} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function OfferTable({
  offers,
  engine,
  anyAtAll,
}: {
  offers: Offer[];
  engine: (typeof ENGINES)[number];
  anyAtAll: boolean;
}) {
  return (
    <Table
      caption="Offers"
      rows={offers}
      rowKey={(row) => row.device}
      sort={[{ id: 'ask', desc: false }]}
      empty={
        <Empty title={anyAtAll ? 'No device meets all of this' : 'No device is registered yet'}>
          {anyAtAll
            ? 'Relax a filter, or submit the job all the same: it waits until a device comes.'
            : 'Providers add theirs in the Worker face.'}
        </Empty>
      }
      columns={[
        {
          header: 'Device',
          id: 'device',
          enableSorting: false,
          cell: ({ row }) => <Hash value={row.original.device} label="device" />,
        },
        { header: 'Class', id: 'class', accessorFn: (row) => row.class_name || String(row.class) },
        {
          header: 'Ask / 1,000',
          id: 'ask',
          accessorFn: (row) => askOf(row, engine),
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row }) => {
            const ask = row.original.engines[engine]?.ask;
            return ask === undefined ? '—' : <Amount base={ask} unit={IO} />;
          },
        },
        {
          header: 'Speed / s',
          id: 'speed',
          accessorFn: (row) => row.engines[engine]?.speed ?? 0,
          meta: { right: true },
          cell: ({ getValue }) => (
            <span data-tip="units a second, by the device’s own measurement">
              {count(Math.round(getValue() as number))}
            </span>
          ),
        },
        {
          header: 'Memory',
          id: 'memory',
          accessorFn: (row) => row.memory_mib,
          meta: { right: true },
          cell: ({ getValue }) => size((getValue() as number) * 1_048_576),
        },
        {
          header: 'Region',
          id: 'region',
          accessorFn: (row) => row.region ?? '',
          cell: ({ row }) => regionName(row.original.region),
        },
        {
          header: 'Reputation',
          id: 'reputation',
          accessorFn: (row) => row.reputation_bps,
          meta: { right: true },
          cell: ({ row }) => percent(row.original.reputation_bps),
        },
        {
          header: 'State',
          id: 'state',
          accessorFn: (row) => (row.available ? 0 : 1),
          cell: ({ row }) =>
            row.original.available ? (
              <Badge tone="good">free</Badge>
            ) : (
              <Badge tip={row.original.unavailable_because ?? undefined}>
                {row.original.unavailable_because ?? 'not free'}
              </Badge>
            ),
        },
      ]}
    />
  );
}
