/** What is shown when there is nothing to show: what happened, and what to do next. */
import type { ReactNode } from 'react';
import { Button } from './button';
import { cx } from './cx';

export function Empty({ title, children, action }: { title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="flex flex-col items-center gap-2 rounded-xl border border-line border-dashed px-6 py-12 text-center">
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-lg text-muted text-sm">{children}</div>}
      {action && <div className="mt-2">{action}</div>}
    </div>
  );
}

/** What an error says, and its advice, whatever it is. */
export function wordsOf(error: unknown): { message: string; hint: string } {
  const message = error instanceof Error ? error.message : String(error);
  const hint = (error as { hint?: string | null } | null)?.hint;
  return { message, hint: hint ?? 'Try again; if it stays, reload the page.' };
}

export function Failure({ error, retry, className }: { error: unknown; retry?: () => void; className?: string }) {
  const { message, hint } = wordsOf(error);
  return (
    <div
      role="alert"
      className={cx(
        'flex flex-wrap items-center gap-3 rounded-xl border border-bad/40 bg-bad/5 px-4 py-3 text-sm',
        className,
      )}
    >
      <div className="min-w-0 flex-1">
        <p className="font-medium text-bad first-letter:uppercase">{message}</p>
        <p className="text-muted">{hint}</p>
      </div>
      {retry && <Button onClick={retry}>Try again</Button>}
    </div>
  );
}

export function Notice({ tone = 'info', children }: { tone?: 'info' | 'warn'; children: ReactNode }) {
  return (
    <div
      role="status"
      className={cx(
        'rounded-xl border px-4 py-3 text-sm',
        tone === 'warn' ? 'border-warn/40 bg-warn/5' : 'border-accent/30 bg-accent/5',
      )}
    >
      {children}
    </div>
  );
}

/** Holds the place of what is being read, so that nothing jumps. */
export function Skeleton({ className }: { className?: string }) {
  return <div aria-hidden className={cx('animate-pulse rounded-lg bg-hover', className ?? 'h-24')} />;
}

/** What is shown while something newer is read. It loses its colour and keeps its contrast: it can be read meanwhile. */
export function Outdated({ when, className, children }: { when: boolean; className?: string; children: ReactNode }) {
  return (
    <div aria-busy={when} className={cx(className, when && 'grayscale')}>
      {children}
    </div>
  );
}

interface Loadable<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch(): unknown;
}

/** A query's data, or its waiting, or its failure. Old data stays while new is read. */
export function Loaded<T>({
  query,
  skeleton,
  children,
}: {
  query: Loadable<T>;
  skeleton?: ReactNode;
  children: (data: T) => ReactNode;
}) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failure error={query.error} retry={() => query.refetch()} />;
  return (
    <div role="status" aria-label="Loading">
      {skeleton ?? <Skeleton />}
    </div>
  );
}
