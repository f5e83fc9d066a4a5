import {
  type ColumnDef,
  flexRender,
  getCoreRowModel,
  getSortedRowModel,
  type SortingState,
  useReactTable,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef, useState } from 'react';
import { cx } from './cx';
import { Dense } from './tip';

/** Rows above which only those in sight are in the page. */
const VIRTUAL_FROM = 100;
const ROW_HEIGHT = 44;

export interface TableProps<T> {
  caption: string;
  columns: ColumnDef<T, never>[] | ColumnDef<T, unknown>[];
  rows: T[];
  rowKey: (row: T) => string;
  empty?: React.ReactNode;
  /** Where sorting begins. */
  sort?: SortingState;
}

/** A sortable table; thousands of rows stay smooth. `meta: {right: true}` aligns a column's numbers. */
export function Table<T>({ caption, columns, rows, rowKey, empty, sort = [] }: TableProps<T>) {
  const [sorting, setSorting] = useState<SortingState>(sort);
  const scroll = useRef<HTMLElement>(null);
  const table = useReactTable({
    data: rows,
    columns: columns as ColumnDef<T>[],
    state: { sorting },
    onSortingChange: setSorting,
    getRowId: rowKey,
    getCoreRowModel: getCoreRowModel(),
    getSortedRowModel: getSortedRowModel(),
  });
  const all = table.getRowModel().rows;
  const virtual = all.length > VIRTUAL_FROM;
  const virtualizer = useVirtualizer({
    count: virtual ? all.length : 0,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: 12,
  });
  if (rows.length === 0 && empty) return <>{empty}</>;
  const items = virtualizer.getVirtualItems();
  const [first, last] = [items[0], items.at(-1)];
  const from = virtual ? (first?.index ?? 0) : 0;
  const shown = virtual ? all.slice(from, (last?.index ?? -1) + 1) : all;
  const before = virtual && first ? first.start : 0;
  const after = virtual && last ? virtualizer.getTotalSize() - last.end : 0;
  return (
    <section
      ref={scroll}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
      tabIndex={0}
      aria-label={`${caption}, table`}
      // What is only heard stands beside its value, and scrolls with it: out of flow, it would widen the page.
      className={cx('relative overflow-auto rounded-xl border border-line bg-raised', virtual && 'max-h-[70vh]')}
    >
      <table className="w-full border-collapse text-sm" aria-rowcount={all.length + 1}>
        <caption className="sr-only">{caption}</caption>
        <thead className="sticky top-0 z-10 bg-raised">
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id} className="border-line border-b">
              {group.headers.map((header) => {
                const sorted = header.column.getIsSorted();
                const right = (header.column.columnDef.meta as { right?: boolean } | undefined)?.right;
                const label = flexRender(header.column.columnDef.header, header.getContext());
                // On the side where it moves no number out of its line.
                const arrow = (
                  <span aria-hidden className="inline-block w-3 text-center">
                    {sorted === 'asc' ? '↑' : sorted === 'desc' ? '↓' : ''}
                  </span>
                );
                return (
                  <th
                    key={header.id}
                    scope="col"
                    aria-sort={sorted ? (sorted === 'asc' ? 'ascending' : 'descending') : undefined}
                    className={cx(
                      'whitespace-nowrap px-3 py-2 font-medium text-muted text-xs',
                      right ? 'text-right' : 'text-left',
                    )}
                  >
                    {header.column.getCanSort() ? (
                      <button
                        type="button"
                        className="rounded hover:text-ink"
                        onClick={header.column.getToggleSortingHandler()}
                      >
                        {right && arrow}
                        {label}
                        {!right && arrow}
                      </button>
                    ) : (
                      label
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {before > 0 && <tr aria-hidden style={{ height: before }} />}
          {shown.map((row, i) => (
            <tr
              key={row.id}
              className="h-11 border-line border-b last:border-0 hover:bg-hover"
              aria-rowindex={from + i + 2}
            >
              {row.getVisibleCells().map((cell) => {
                const right = (cell.column.columnDef.meta as { right?: boolean } | undefined)?.right;
                return (
                  <td key={cell.id} className={cx('whitespace-nowrap px-3 py-1.5', right && 'text-right tabular-nums')}>
                    <Dense value={true}>{flexRender(cell.column.columnDef.cell, cell.getContext())}</Dense>
                  </td>
                );
              })}
            </tr>
          ))}
          {after > 0 && <tr aria-hidden style={{ height: after }} />}
        </tbody>
      </table>
    </section>
  );
}
