import { cx } from './cx';

/** How a check ended, as a mark and in a word; null where nothing can be said. */
const marks = (ok: boolean | null) =>
  ok === null ? ['?', 'cannot be said', 'text-warn'] : ok ? ['✓', 'holds', 'text-good'] : ['✗', 'fails', 'text-bad'];

/** What was checked, and what came of it. */
export function Checks({ checks }: { checks: readonly { name: string; ok: boolean | null; detail: string }[] }) {
  return (
    <ul className="grid gap-2 text-sm">
      {checks.map(({ name, ok, detail }) => {
        const [mark, word, color] = marks(ok);
        return (
          <li key={name} className="flex gap-2">
            <span className={cx('w-4 shrink-0 text-center font-semibold', color)}>
              <span aria-hidden>{mark}</span>
              <span className="sr-only">{word}</span>
            </span>
            <span className="min-w-0 break-words">
              <span className="font-medium">{name}</span> <span className="text-muted">{detail}</span>
            </span>
          </li>
        );
      })}
    </ul>
  );
}
