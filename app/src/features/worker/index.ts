/** The Worker face. Routes are here, small and eager; pages are one lazy chunk behind `pages.ts`. */
import { createRoute } from '@tanstack/react-router';
import { rootRoute } from '@/app/root';

const face = createRoute({ getParentRoute: () => rootRoute, path: 'worker' });

const pages = () => import('./pages').then(({ pages }) => pages);

const overview = createRoute({ getParentRoute: () => face, path: '/' }).lazy(() => pages().then((p) => p.overview));
const stake = createRoute({ getParentRoute: () => face, path: 'stake' }).lazy(() => pages().then((p) => p.stake));
const rewards = createRoute({ getParentRoute: () => face, path: 'rewards' }).lazy(() => pages().then((p) => p.rewards));
const profit = createRoute({ getParentRoute: () => face, path: 'profit' }).lazy(() => pages().then((p) => p.profit));
const slashes = createRoute({ getParentRoute: () => face, path: 'slashes' }).lazy(() => pages().then((p) => p.slashes));
/** A link that `io worker run` prints names a machine; whether it is whole, the page says. */
const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
const setup = createRoute({
  getParentRoute: () => face,
  path: 'setup',
  validateSearch: ({ hardware, operator }: Record<string, unknown>): { hardware?: string; operator?: string } => ({
    hardware: text(hardware),
    operator: text(operator),
  }),
}).lazy(() => pages().then((p) => p.setup));

export const workerRoutes = face.addChildren([overview, stake, rewards, profit, slashes, setup]);
