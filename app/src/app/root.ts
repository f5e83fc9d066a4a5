import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext } from '@tanstack/react-router';

/** The root of all routes. The shell is put into it by the router, so that faces depend on this and not on the shell. */
export const rootRoute = createRootRouteWithContext<{ client: QueryClient }>()();
