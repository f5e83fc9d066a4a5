/** The Explorer face. Routes are here, small and eager; pages are one lazy chunk behind `pages.ts`. */
import { createRoute } from '@tanstack/react-router';
import { rootRoute } from '@/app/root';

const face = createRoute({ getParentRoute: () => rootRoute, path: 'explorer' });

const pages = () => import('./pages').then(({ pages }) => pages);

const overview = createRoute({ getParentRoute: () => face, path: '/' }).lazy(() => pages().then((p) => p.overview));
const devices = createRoute({ getParentRoute: () => face, path: 'devices' }).lazy(() => pages().then((p) => p.devices));
const providers = createRoute({ getParentRoute: () => face, path: 'providers' }).lazy(() =>
  pages().then((p) => p.providers),
);
const jobs = createRoute({ getParentRoute: () => face, path: 'jobs' }).lazy(() => pages().then((p) => p.jobs));
const epochs = createRoute({ getParentRoute: () => face, path: 'epochs' }).lazy(() => pages().then((p) => p.epochs));
const oracles = createRoute({ getParentRoute: () => face, path: 'oracles' }).lazy(() => pages().then((p) => p.oracles));
const device = createRoute({ getParentRoute: () => face, path: 'devices/$device' }).lazy(() =>
  pages().then((p) => p.device),
);
const provider = createRoute({ getParentRoute: () => face, path: 'providers/$provider' }).lazy(() =>
  pages().then((p) => p.provider),
);
const job = createRoute({ getParentRoute: () => face, path: 'jobs/$job' }).lazy(() => pages().then((p) => p.job));
const epoch = createRoute({ getParentRoute: () => face, path: 'epochs/$epoch' }).lazy(() =>
  pages().then((p) => p.epoch),
);
const oracle = createRoute({ getParentRoute: () => face, path: 'oracles/$oracle' }).lazy(() =>
  pages().then((p) => p.oracle),
);
const transaction = createRoute({ getParentRoute: () => face, path: 'transactions/$signature' }).lazy(() =>
  pages().then((p) => p.transaction),
);
const search = createRoute({
  getParentRoute: () => face,
  path: 'search',
  validateSearch: ({ q }: Record<string, unknown>) => ({ q: q === undefined ? '' : String(q) }),
}).lazy(() => pages().then((p) => p.search));

export const explorerRoutes = face.addChildren([
  overview,
  devices,
  providers,
  jobs,
  epochs,
  oracles,
  device,
  provider,
  job,
  epoch,
  oracle,
  transaction,
  search,
]);
