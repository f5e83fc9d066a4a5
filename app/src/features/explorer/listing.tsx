import type { ReactNode } from 'react';
import { plural } from '@/shared/format';
import { Button, Card, Empty, Table, type TableProps } from '@/shared/ui';
import { type RecordRow, saveFile, toCsv, toJson } from './export';

export function ExportButtons({ name, rows }: { name: string; rows: () => RecordRow[] }) {
  return (
    <div className="flex gap-1">
      <Button
        variant="ghost"
        aria-label={`Export ${name} as CSV`}
        onClick={() => saveFile(`${name}.csv`, 'text/csv', toCsv(rows()))}
      >
        CSV
      </Button>
      <Button
        variant="ghost"
        aria-label={`Export ${name} as JSON`}
        onClick={() => saveFile(`${name}.json`, 'application/json', toJson(rows()))}
      >
        JSON
      </Button>
    </div>
  );
}

/** A table that can be taken along. */
export function Listing<T>({
  title,
  file,
  record,
  note,
  nothing,
  ...table
}: TableProps<T> & {
  title?: ReactNode;
  file: string;
  record: (row: T) => RecordRow;
  note?: ReactNode;
  nothing?: string;
}) {
  return (
    <Card
      title={title ?? table.caption}
      actions={
        <div className="flex items-center gap-2">
          <span className="text-muted text-xs tabular-nums">{plural(table.rows.length, 'row')}</span>
          {table.rows.length > 0 && <ExportButtons name={file} rows={() => table.rows.map(record)} />}
        </div>
      }
    >
      {note && <p className="mb-3 text-muted text-sm">{note}</p>}
      <Table
        {...table}
        empty={table.empty ?? <Empty title={nothing ?? 'Nothing here yet'}>It appears by itself.</Empty>}
      />
    </Card>
  );
}
