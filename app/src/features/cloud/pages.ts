/** All pages of this face, in one chunk. */
import { createLazyRoute } from '@tanstack/react-router';
import { JobPage } from './job';
import { JobsPage } from './jobs';
import { OffersPage } from './offers';
import { SubmitPage } from './submit';

export const pages = {
  offers: createLazyRoute('/cloud/')({ component: OffersPage }),
  submit: createLazyRoute('/cloud/new')({ component: SubmitPage }),
  jobs: createLazyRoute('/cloud/jobs')({ component: JobsPage }),
  job: createLazyRoute('/cloud/jobs/$job')({ component: JobPage }),
};
