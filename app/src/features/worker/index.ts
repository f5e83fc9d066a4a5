/** The Worker face. Routes are here, small and eager; pages are one lazy chunk behind `pages.ts`. */
import { createRoute } from '@tanstack/react-router';
import { rootRoute } from '@/app/root';

const face = createRoute({ getParentRoute: () => rootRoute, path: 'worker' });

const overview = createRoute({ getParentRoute: () => face, path: '/' }).lazy(() =>
  import('./pages').then(({ pages }) => pages.overview),
);

export const workerRoutes = face.addChildren([overview]);
