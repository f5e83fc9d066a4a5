import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Offer } from '@/shared/api';
import { deviceOffersQuery } from '@/shared/api';
import { classesQuery } from '@/shared/chain';
import { AmountError, count, exact, IO, parseAmount, percent, regionName, short, size } from '@/shared/format';
import { againstGuide, hourOf } from '@/shared/offers';
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
import { CLASSES, ENGINES, type Engine, engineOf, type Filters, VERIFICATION } from './filters';
import { RequirementFields } from './requirement';
import { askOf, type Sieved, sieve } from './sieve';

/** Amount as somebody would type it. */
const typed = (base: string | undefined) => (base ? short(BigInt(base), IO).replace(/ IO|,/g, '') : '');

const WORK: Record<Engine, string> = { embed: 'Embeddings', wasm: 'WebAssembly', lease: 'Device lease' };
const UNITS: Record<Engine, string> = { embed: '1,000 passages', wasm: '10⁹ fuel', lease: '1,000 s' };

/** The most that a device may ask; what cannot be read stays as it was typed. */
function PriceField({ price, set }: { price: string | undefined; set: (change: Filters) => void }) {
  const [error, setError] = useState<string | null>(null);
  return (
    <TextField
      label="Ask ≤, IO"
      inputMode="decimal"
      placeholder="any"
      defaultValue={typed(price)}
      error={error}
      onBlur={({ target: { value } }) => {
        try {
          set({ price: value ? parseAmount(value, IO).toString() : undefined });
          setError(null);
        } catch (failure) {
          if (!(failure instanceof AmountError)) throw failure;
          setError(failure.message);
        }
      }}
    />
  );
}

export function OffersPage() {
  const filters = useSearch({ from: '/cloud/' });
  const navigate = useNavigate({ from: '/cloud/' });
  const engine = engineOf(filters);
  const query = useQuery(deviceOffersQuery());
  const set = (change: Filters) => navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const offers = query.data ?? [];
  const sieved = sieve(offers, filters);
  const active = Object.keys(filters).some((name) => name !== 'engine');
  return (
    <Page
      title="Offers"
      lead="Devices and what they ask now. This page’s address holds your filters: share it."
      actions={
        <Link to="/cloud/new" search={filters} className={buttonClass('primary')}>
          {engine === 'lease' ? 'Rent one of these' : 'New job on these'}
        </Link>
      }
    >
      <CloudTabs />
      <form
        className="mb-4 grid grid-cols-2 items-end gap-3 sm:grid-cols-3 lg:grid-cols-4 xl:grid-cols-[1.6fr_repeat(6,1fr)_auto]"
        onSubmit={(event) => event.preventDefault()}
      >
        <SelectField
          label="Work"
          value={engine}
          onChange={(event) =>
            set({ engine: ENGINES.find((one) => one === event.target.value), verification: undefined })
          }
        >
          {ENGINES.map((one) => (
            <option key={one} value={one}>
              {WORK[one]} ({VERIFICATION[one].name})
            </option>
          ))}
        </SelectField>
        <SelectField
          label="Verified"
          value={filters.verification ?? ''}
          onChange={(event) => {
            const verification = CLASSES.find((one) => one === event.target.value);
            set({ verification, engine: verification ? undefined : engine });
          }}
        >
          <option value="">any way</option>
          {CLASSES.map((one) => (
            <option key={one}>{one}</option>
          ))}
        </SelectField>
        <RequirementFields filters={filters} set={set} />
        <PriceField key={filters.price ?? 'any'} price={filters.price} set={set} />
        <label className="flex min-h-9 items-center gap-2 text-sm">
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
            {(active || (sieved.removed.length > 0 && sieved.kept.length === 0)) && (
              <Removed
                sieved={sieved}
                of={offers.length}
                drop={(keys) => set(Object.fromEntries(keys.map((key) => [key, undefined])))}
                clear={active ? () => navigate({ search: { engine }, replace: true }) : null}
              />
            )}
            <OfferTable offers={sieved.kept} engine={engine} anyAtAll={offers.length > 0} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

/** Which filter removes how many, and what going without it saves. */
function Removed({
  sieved: { kept, removed, together },
  of,
  drop,
  clear,
}: {
  sieved: Sieved;
  of: number;
  drop: (keys: (keyof Filters)[]) => void;
  clear: (() => void) | null;
}) {
  return (
    <Notice>
      <div className="flex flex-wrap items-baseline gap-x-4 gap-y-1">
        <span className="font-medium">
          {kept.length} of {of} left.
        </span>
        {removed.map(({ key, name, count, cheaper, saves }) => (
          <span key={key}>
            Without “{name}” {count} more
            {saves !== null ? (
              <>
                , and <Amount base={saves} unit={IO} /> cheaper
              </>
            ) : (
              cheaper !== null && (
                <>
                  , from <Amount base={cheaper} unit={IO} />
                </>
              )
            )}
            {key !== 'engine' && (
              <Button
                variant="ghost"
                size="small"
                className="underline"
                aria-label={`Relax ${name}`}
                onClick={() => drop([key])}
              >
                relax
              </Button>
            )}
          </span>
        ))}
        {together.map(({ keys, names, count }) => (
          <span key={names.join(' ')}>
            Without {names.map((name) => `“${name}”`).join(' and ')} together {count}
            {!keys.includes('engine') && (
              <Button
                variant="ghost"
                size="small"
                className="underline"
                aria-label={`Relax ${names.join(' and ')}`}
                onClick={() => drop(keys)}
              >
                relax
              </Button>
            )}
          </span>
        ))}
        {clear && (
          <Button variant="ghost" size="small" className="underline" onClick={clear}>
            Clear filters
          </Button>
        )}
      </div>
    </Notice>
  );
}

function OfferTable({ offers, engine, anyAtAll }: { offers: Offer[]; engine: Engine; anyAtAll: boolean }) {
  const classes = useQuery(classesQuery());
  const guides = useMemo(
    () => new Map((classes.data ?? []).map(({ data }) => [data.id, data.referencePrice])),
    [classes.data],
  );
  const hour = (offer: Offer) => {
    const one = offer.engines[engine];
    return one ? hourOf(BigInt(one.ask), one.speed) : null;
  };
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
          header: `Ask, ${UNITS[engine]}`,
          id: 'ask',
          accessorFn: (row) => askOf(row, engine),
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row }) => {
            const ask = row.original.engines[engine]?.ask;
            return ask === undefined ? '—' : <Amount base={ask} unit={IO} />;
          },
        },
        ...(engine === 'lease'
          ? []
          : [
              {
                header: 'Speed / s',
                id: 'speed',
                accessorFn: (row: Offer) => row.engines[engine]?.speed ?? 0,
                meta: { right: true },
                cell: ({ getValue }: { getValue: () => unknown }) => (
                  <span data-tip="units a second, by the device’s own measurement">
                    {count(Math.round(getValue() as number))}
                  </span>
                ),
              },
            ]),
        {
          header: 'Hour of it',
          id: 'hour',
          accessorFn: (row) => hour(row) ?? -1n,
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row }) => {
            const price = hour(row.original);
            return price === null ? '—' : <Amount base={price} unit={IO} />;
          },
        },
        {
          header: 'Class’s guide',
          id: 'guide',
          accessorFn: (row) => guides.get(row.class) ?? 0n,
          sortingFn: 'basic',
          meta: { right: true },
          cell: ({ row }) => <Guide price={hour(row.original)} guide={guides.get(row.original.class) ?? 0n} />,
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

/** From ten times the guide on it is said how many times, percent above. */
const MANY_TIMES = 900;

/** The class's reference price on chain, and how this device's hour stands to it. */
function Guide({ price, guide }: { price: bigint | null; guide: bigint }) {
  const difference = price === null ? null : againstGuide(price, guide);
  if (guide === 0n) return <span data-tip="This class has no reference price.">—</span>;
  return (
    <span
      data-tip={`The network’s reference price of the class is ${exact(guide, IO)} an hour; it follows how many of its devices are at work.`}
    >
      <Amount base={guide} unit={IO} />
      {difference !== null && (
        <span className={difference > 0 ? 'text-warn' : 'text-good'}>
          {' '}
          {difference < MANY_TIMES
            ? `${difference > 0 ? '+' : '−'}${count(Math.abs(Math.round(difference)))} %`
            : `× ${count(Math.round(1 + difference / 100))}`}
        </span>
      )}
    </span>
  );
}
