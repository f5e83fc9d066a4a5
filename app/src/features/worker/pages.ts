/** All pages of this face, in one chunk. */
import { createLazyRoute } from '@tanstack/react-router';
import { Overview } from './overview';

export const pages = {
  overview: createLazyRoute('/worker/')({ component: Overview }),
};
