/** All pages of this face, in one chunk. */
import { createLazyRoute } from '@tanstack/react-router';
import { Overview } from './overview';
import { ProfitPage } from './profit';
import { RewardsPage } from './rewards';
import { SetupPage } from './setup';
import { SlashesPage } from './slashes';
import { StakePage } from './stake';

export const pages = {
  overview: createLazyRoute('/worker/')({ component: Overview }),
  stake: createLazyRoute('/worker/stake')({ component: StakePage }),
  rewards: createLazyRoute('/worker/rewards')({ component: RewardsPage }),
  profit: createLazyRoute('/worker/profit')({ component: ProfitPage }),
  slashes: createLazyRoute('/worker/slashes')({ component: SlashesPage }),
  setup: createLazyRoute('/worker/setup')({ component: SetupPage }),
};
