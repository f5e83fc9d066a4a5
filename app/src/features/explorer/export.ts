/** What is shown, as a file: CSV for spreadsheets, JSON for programs. Amounts are base units, times Unix seconds, whole numbers exact. */

export type Cell = string | number | bigint | boolean | null;
export type RecordRow = Record<string, Cell>;

/** A spreadsheet takes cells that begin so for formulas. */
const FORMULA = /^[=+@\t\r-]/;

function csvCell(cell: Cell): string {
  if (cell === null) return '';
  let text = cell.toString();
  if (typeof cell === 'string' && FORMULA.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(rows: readonly RecordRow[]): string {
  const [first] = rows;
  if (!first) return '';
  const names = Object.keys(first);
  const lines = [names, ...rows.map((row) => names.map((name) => row[name] ?? null))];
  return `${lines.map((line) => line.map(csvCell).join(',')).join('\r\n')}\r\n`;
}

/** Whole numbers beyond what JSON readers hold exactly are written as text. */
export function toJson(rows: readonly RecordRow[]): string {
  return `${JSON.stringify(rows, (_, value) => (typeof value === 'bigint' ? value.toString() : value), 2)}\n`;
}

export function saveFile(name: string, type: string, text: string) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
