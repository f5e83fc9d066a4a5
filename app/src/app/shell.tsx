import { type Query, type QueryClient, useIsFetching, useQueryClient } from '@tanstack/react-query';
import { Link, Outlet, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { config } from '@/shared/config';
import { duration } from '@/shared/format';
import { trueAt, useLiveCache, useLiveStatus, useNow } from '@/shared/live';
import { cx } from '@/shared/ui/cx';
import { Tips } from '@/shared/ui/tip';
import { WalletButton } from '@/shared/wallet';

const FACES = [
  { to: '/cloud', label: 'Cloud' },
  { to: '/worker', label: 'Worker' },
  { to: '/explorer', label: 'Explorer' },
] as const;

function ThemeButton() {
  const [theme, setTheme] = useState(() => globalThis.document?.documentElement.dataset.theme);
  const next = theme === 'dark' ? 'light' : 'dark';
  return (
    <button
      type="button"
      className={'inline-flex size-9 items-center justify-center rounded-lg hover:bg-hover'}
      aria-label={`Use the ${next} theme`}
      onClick={() => {
        document.documentElement.dataset.theme = next;
        try {
          localStorage.setItem('io.theme', next);
        } catch {}
        setTheme(next);
      }}
    >
      <svg
        width="18"
        height="18"
        viewBox="0 0 24 24"
        fill="none"
        stroke="currentColor"
        strokeWidth="2"
        aria-hidden="true"
      >
        {theme === 'dark' ? (
          <path d="M12 3v2m0 14v2M3 12h2m14 0h2M5.6 5.6 7 7m10 10 1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8Z" />
        ) : (
          <path d="M20 14.5A8 8 0 0 1 9.5 4a8 8 0 1 0 10.5 10.5Z" />
        )}
      </svg>
    </button>
  );
}

/** Above this the data is called old, milliseconds. */
const OLD_MS = 30_000;

/** Reads of the chain that are shown, and do not reach it now. */
const failing = (client: QueryClient) =>
  client.getQueryCache().findAll({
    queryKey: ['chain'],
    type: 'active',
    predicate: ({ state }) =>
      ((state.error ?? state.fetchFailureReason) as { unreachable?: boolean } | null)?.unreachable === true,
  });

/** The first read that works again brings the others back at once, at most so often, milliseconds. */
const RECOVER_MS = 5_000;

function useRecovery() {
  const client = useQueryClient();
  useEffect(() => {
    let last = 0;
    return client.getQueryCache().subscribe((event) => {
      const came = event.type === 'updated' && event.action.type === 'success' && event.query.queryKey[0] === 'chain';
      if (!came || Date.now() - last < RECOVER_MS) return;
      const rest = failing(client).filter((query) => query !== event.query);
      if (rest.length === 0) return;
      last = Date.now();
      for (const { queryKey } of rest) void client.refetchQueries({ queryKey, exact: true });
    });
  }, [client]);
}

/** Reads of the chain whose changes the stream tells (`shared/chain/patch.ts`), by the second part of their key. */
const FOLLOWED: readonly unknown[] = ['account', 'list', 'network', 'oracleSet', 'emission'];

/** What is never read again is what does not change. */
const changes = (query: Query) =>
  query.observers.some(({ options: { refetchInterval } }) =>
    typeof refetchInterval === 'function' ? refetchInterval(query) : refetchInterval,
  );

/** Reads of the chain that are shown. */
const shown = (client: QueryClient) =>
  client
    .getQueryCache()
    .findAll({
      queryKey: ['chain'],
      type: 'active',
      predicate: (query) => query.state.data !== undefined && changes(query),
    })
    .map(({ queryKey, state }) => ({ at: state.dataUpdatedAt, followed: FOLLOWED.includes(queryKey[1]) }));

/** How old what is shown may be, and what of it can not be read now: always in sight. */
function Freshness() {
  const live = useLiveStatus();
  const { up, slot } = live;
  const client = useQueryClient();
  const fetching = useIsFetching();
  useNow();
  const oldest = trueAt(live, shown(client));
  const age = oldest === null ? null : Math.max(0, Date.now() - oldest);
  const old = age !== null && age > OLD_MS;
  const chainDown = failing(client).length > 0;
  const [color, text, tip] =
    chainDown && up === false
      ? [
          'bg-bad',
          'API and chain down',
          'Neither the oracle nor the chain answers. Both are tried again by themselves.',
        ]
      : chainDown
        ? [
            'bg-bad',
            'Chain down',
            'The chain’s RPC does not answer; what oracles say is still read. It is tried again by itself.',
          ]
        : up === false
          ? ['bg-bad', 'API down', 'The oracle does not answer. What the chain says is still read.']
          : up === null
            ? ['bg-muted', 'Connecting', 'The oracle’s stream of changes is being opened.']
            : [
                old ? 'bg-warn' : 'bg-good',
                old ? 'Behind' : 'Live',
                `slot ${slot ?? '…'}: changes arrive by themselves. The age is of the oldest part that is shown.`,
              ];
  const detail =
    age === null
      ? 'nothing read yet'
      : age < 2_000
        ? 'data is fresh'
        : `data is up to ${duration(Math.round(age / 1000))} old`;
  const fresh = age !== null && age < 2_000;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: its tip is for keyboards, too
    <p tabIndex={0} className="flex items-center gap-2 text-muted text-xs" data-testid="freshness" data-tip={tip}>
      <span aria-hidden className={cx('size-2 rounded-full', color)} />
      <span>
        {text}
        {!(fresh && color === 'bg-bad') && ` · ${detail}`}
        {fetching > 0 ? ' · reading' : ''}
      </span>
    </p>
  );
}

export function Shell() {
  useLiveCache();
  useRecovery();
  const path = useRouterState({ select: (state) => state.location.pathname });
  const main = useRef<HTMLElement>(null);
  const before = useRef(path);
  useEffect(() => {
    // A new page is read from its top, by screen readers too.
    if (before.current !== path) main.current?.focus({ preventScroll: true });
    before.current = path;
  }, [path]);
  return (
    <>
      <a
        href="#main"
        className="fixed top-2 left-2 z-50 -translate-y-24 rounded-lg bg-accent px-3 py-2 text-on-accent text-sm focus:translate-y-0"
      >
        Skip to the content
      </a>
      <div className="flex min-h-dvh flex-col">
        <header className="sticky top-0 z-30 border-line border-b bg-paper/95 backdrop-blur">
          <div className="mx-auto flex max-w-7xl flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2 sm:px-6">
            <Link to="/" className="flex items-center gap-2 font-semibold" aria-label="IO Network, home">
              <img src="/favicon.svg" alt="" width={24} height={24} />
              <span className="hidden sm:inline">IO Network</span>
            </Link>
            {config().local && (
              <span
                className="rounded-full bg-warn/10 px-2 py-0.5 text-warn text-xs"
                data-tip="A chain on this machine: its tokens are worth nothing."
              >
                local
              </span>
            )}
            <nav aria-label="Faces" className="order-last flex w-full gap-1 sm:order-none sm:w-auto">
              {FACES.map(({ to, label }) => (
                <Link
                  key={to}
                  to={to}
                  className="rounded-lg px-3 py-1.5 font-medium text-muted text-sm hover:bg-hover hover:text-ink data-[status=active]:bg-hover data-[status=active]:text-ink"
                >
                  {label}
                </Link>
              ))}
            </nav>
            <div className="ml-auto flex items-center gap-1">
              <ThemeButton />
              <WalletButton />
            </div>
          </div>
        </header>
        <main id="main" ref={main} tabIndex={-1} className="flex-1 outline-none">
          <Outlet />
        </main>
        <footer className="sticky bottom-0 z-20 border-line border-t bg-paper/95 backdrop-blur">
          <div className="mx-auto flex max-w-7xl items-center justify-between gap-x-4 px-4 py-2 sm:px-6">
            <Freshness />
            <p className="whitespace-nowrap text-muted text-xs">
              <span className="hidden sm:inline">No account, no tracking, no third party.</span>{' '}
              <a className="link" href="/v1/openapi.json">
                API
              </a>
            </p>
          </div>
        </footer>
      </div>
      <Tips />
    </>
  );
}
