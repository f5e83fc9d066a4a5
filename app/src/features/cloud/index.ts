/** The Cloud face. Routes are here, small and eager; pages are one lazy chunk behind `pages.ts`. */
import { createRoute } from '@tanstack/react-router';
import { rootRoute } from '@/app/root';
import { readFilters, readNewJob } from './offers/filters';

const face = createRoute({ getParentRoute: () => rootRoute, path: 'cloud' });

const offers = createRoute({ getParentRoute: () => face, path: '/', validateSearch: readFilters }).lazy(() =>
  import('./pages').then(({ pages }) => pages.offers),
);
const submit = createRoute({ getParentRoute: () => face, path: 'new', validateSearch: readNewJob }).lazy(() =>
  import('./pages').then(({ pages }) => pages.submit),
);
const jobs = createRoute({ getParentRoute: () => face, path: 'jobs' }).lazy(() =>
  import('./pages').then(({ pages }) => pages.jobs),
);
const job = createRoute({ getParentRoute: () => face, path: 'jobs/$job' }).lazy(() =>
  import('./pages').then(({ pages }) => pages.job),
);

export const cloudRoutes = face.addChildren([offers, submit, jobs, job]);
