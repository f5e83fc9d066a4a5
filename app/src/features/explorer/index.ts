/** The Explorer face. Routes are here, small and eager; pages are one lazy chunk behind `pages.ts`. */
import { createRoute } from '@tanstack/react-router';
import { rootRoute } from '@/app/root';

const face = createRoute({ getParentRoute: () => rootRoute, path: 'explorer' });

const overview = createRoute({ getParentRoute: () => face, path: '/' }).lazy(() =>
  import('./pages').then(({ pages }) => pages.overview),
);

export const explorerRoutes = face.addChildren([overview]);
