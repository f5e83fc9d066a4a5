/** All pages of this face, in one chunk. */
import { createLazyRoute } from '@tanstack/react-router';
import { DevicePage } from './device';
import { EpochPage } from './epoch';
import { JobPage } from './job';
import { Devices, Epochs, Jobs, Oracles, Providers } from './lists';
import { OraclePage } from './oracle';
import { Overview } from './overview';
import { ProviderPage } from './provider';
import { SearchPage } from './search';
import { TransactionPage } from './transaction';

export const pages = {
  overview: createLazyRoute('/explorer/')({ component: Overview }),
  devices: createLazyRoute('/explorer/devices')({ component: Devices }),
  providers: createLazyRoute('/explorer/providers')({ component: Providers }),
  jobs: createLazyRoute('/explorer/jobs')({ component: Jobs }),
  epochs: createLazyRoute('/explorer/epochs')({ component: Epochs }),
  oracles: createLazyRoute('/explorer/oracles')({ component: Oracles }),
  device: createLazyRoute('/explorer/devices/$device')({ component: DevicePage }),
  provider: createLazyRoute('/explorer/providers/$provider')({ component: ProviderPage }),
  job: createLazyRoute('/explorer/jobs/$job')({ component: JobPage }),
  epoch: createLazyRoute('/explorer/epochs/$epoch')({ component: EpochPage }),
  oracle: createLazyRoute('/explorer/oracles/$oracle')({ component: OraclePage }),
  transaction: createLazyRoute('/explorer/transactions/$signature')({ component: TransactionPage }),
  search: createLazyRoute('/explorer/search')({ component: SearchPage }),
};
