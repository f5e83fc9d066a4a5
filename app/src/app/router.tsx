import { QueryClient } from '@tanstack/react-query';
import { createRoute, createRouter, type ErrorComponentProps, Link, type RouterHistory } from '@tanstack/react-router';
import { cloudRoutes } from '@/features/cloud';
import { explorerRoutes } from '@/features/explorer';
import { workerRoutes } from '@/features/worker';
// Here and in the rest of the shell from their files, not by the door: all that the shell imports is loaded first, and the door has the
// table, 24 kB of gzip that no first page needs.
import { buttonClass } from '@/shared/ui/button';
import { Page } from '@/shared/ui/layout';
import { Empty, Failure, Skeleton } from '@/shared/ui/states';
import { Home } from './home';
import { rootRoute } from './root';
import { Shell } from './shell';

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      gcTime: 30 * 60_000,
      retry: (failures, error) => failures < 2 && (error as { status?: number }).status !== 404,
    },
  },
});

function NotFound() {
  return (
    <Page title="Nothing is here">
      <Empty
        title="This address leads to no page"
        action={
          <Link to="/" className={buttonClass('primary')}>
            To the beginning
          </Link>
        }
      >
        Check it, or search for an id in the Explorer.
      </Empty>
    </Page>
  );
}

function Broken({ error, reset }: ErrorComponentProps) {
  return (
    <Page title="This page failed">
      <Failure error={error} retry={reset} />
    </Page>
  );
}

const home = createRoute({ getParentRoute: () => rootRoute, path: '/', component: Home });

rootRoute.update({ component: Shell });

const routeTree = rootRoute.addChildren([home, cloudRoutes, workerRoutes, explorerRoutes]);

/** The browser's own history unless another is given. */
export const routerFor = (history?: RouterHistory) =>
  createRouter({
    routeTree,
    history,
    context: { client },
    defaultPreload: 'intent',
    // Which only a browser's history has.
    scrollRestoration: history === undefined,
    defaultNotFoundComponent: NotFound,
    defaultErrorComponent: Broken,
    defaultPendingComponent: () => (
      <Page title="Loading">
        <Skeleton className="h-64" />
      </Page>
    ),
  });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof routerFor>;
  }
}
