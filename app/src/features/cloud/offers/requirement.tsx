import { useQuery } from '@tanstack/react-query';
import { deviceOffersQuery } from '@/shared/api';
import { classesQuery, className } from '@/shared/chain';
import { regionName } from '@/shared/format';
import { SelectField, TextField } from '@/shared/ui';
import type { Filters } from './filters';

const number = (text: string) => (text === '' ? undefined : Math.max(0, Math.floor(Number(text))) || undefined);

/** What a device must be: fields of a form, bound to the address. */
export function RequirementFields({ filters, set }: { filters: Filters; set: (change: Filters) => void }) {
  const query = useQuery(deviceOffersQuery());
  const classes = useQuery(classesQuery());
  const offers = query.data ?? [];
  const known = (classes.data ?? []).map(({ data }) => [data.id, className(data)] as const).sort(([a], [b]) => a - b);
  const regions = [
    ...new Set([...offers.flatMap((offer) => offer.region ?? []), ...(filters.region ? [filters.region] : [])]),
  ].sort();
  return (
    <>
      <SelectField
        label="Class"
        value={filters.class ?? ''}
        onChange={(event) => set({ class: event.target.value === '' ? undefined : Number(event.target.value) })}
      >
        <option value="">any</option>
        {filters.class !== undefined && !known.some(([id]) => id === filters.class) && (
          <option value={filters.class}>class {filters.class}</option>
        )}
        {known.map(([id, name]) => (
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
        label="Reputation ≥, %"
        type="number"
        min={0}
        max={100}
        placeholder="any"
        value={filters.reputation ?? ''}
        onChange={(event) => set({ reputation: Math.min(100, number(event.target.value) ?? 0) || undefined })}
      />
    </>
  );
}
