import type { ReactNode } from 'react';
import { Empty } from '@/shared/ui';

/** Amounts side by side; the numbers stand beside their bars. */
export function Bars({
  label,
  rows,
}: {
  label: string;
  rows: readonly { key: string; label: ReactNode; value: number; text: ReactNode }[];
}) {
  // Without any, all bars are empty.
  const most = Math.max(...rows.map(({ value }) => value));
  if (rows.length === 0) return <Empty title="Nothing here yet">It appears by itself.</Empty>;
  return (
    <ul aria-label={label} className="grid gap-1.5 text-sm">
      {rows.map(({ key, label, value, text }) => (
        <li key={key} className="grid grid-cols-[6.5rem_1fr_auto] items-center gap-3">
          <span className="truncate">{label}</span>
          <span aria-hidden className="h-2 overflow-hidden rounded-full bg-hover">
            <span
              className="block h-full rounded-full bg-accent"
              style={{ width: `${most > 0 ? (value / most) * 100 : 0}%` }}
            />
          </span>
          <span className="min-w-8 text-right tabular-nums">{text}</span>
        </li>
      ))}
    </ul>
  );
}

export function Share({ value, max }: { value: number; max: number }) {
  return (
    <span className="flex items-center gap-2">
      <span aria-hidden className="h-1.5 w-20 overflow-hidden rounded-full bg-hover">
        <span className="block h-full rounded-full bg-accent" style={{ width: `${max ? (value / max) * 100 : 0}%` }} />
      </span>
      <span className="tabular-nums">
        {value}/{max}
      </span>
    </span>
  );
}
