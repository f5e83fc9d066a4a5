import { cx } from './cx';

/** What was checked, and what came of it. */
export function Checks({ checks }: { checks: readonly { name: string; ok: boolean; detail: string }[] }) {
  return (
    <ul className="grid gap-2 text-sm">
      {checks.map(({ name, ok, detail }) => (
        <li key={name} className="flex gap-2">
          <span className={cx('w-4 shrink-0 text-center font-semibold', ok ? 'text-good' : 'text-bad')}>
            <span aria-hidden>{ok ? '✓' : '✗'}</span>
            <span className="sr-only">{ok ? 'holds' : 'fails'}</span>
          </span>
          <span className="min-w-0 break-words">
            <span className="font-medium">{name}</span> <span className="text-muted">{detail}</span>
          </span>
        </li>
      ))}
    </ul>
  );
}
