import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { type ReactNode, StrictMode, startTransition, useLayoutEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { client, routerFor } from '@/app/router';
import { loadConfig } from '@/shared/config';
import { startLive } from '@/shared/live';
import { Button } from '@/shared/ui/button';
import { Page } from '@/shared/ui/layout';
import { Empty } from '@/shared/ui/states';
import './app/styles.css';

const element = document.getElementById('root');
if (!element) throw new Error('index.html has no #root');
const root = createRoot(element);
const router = routerFor();

function Unreachable() {
  return (
    <main>
      <Page title="The API does not answer">
        <Empty
          title="This app has never reached its oracle"
          action={<Button onClick={() => location.reload()}>Try again</Button>}
        >
          It learns from the oracle which chain to read. Is it running? <code>io up</code> starts one on this machine.
        </Empty>
      </Page>
    </main>
  );
}

/** So long what was made ahead of the page stays, at most, while its code loads. */
const PATIENCE_MS = 5_000;

// The stream is open before anything is read: nothing is missed between, and nothing has to be read again. And the page's code comes
// while the configuration does.
startLive();
const page = Promise.race([router.load(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);

/** What was made ahead (`still.tsx`) could be looked at only. */
function Runs({ children }: { children: ReactNode }) {
  useLayoutEffect(() => {
    element?.removeAttribute('inert');
    delete document.documentElement.dataset.bare;
  }, []);
  return children;
}

async function start() {
  const reached = await loadConfig().then(
    () => true,
    () => false,
  );
  if (reached) await page;
  const app = (
    <Runs>
      {reached ? (
        <StrictMode>
          <QueryClientProvider client={client}>
            <RouterProvider router={router} />
          </QueryClientProvider>
        </StrictMode>
      ) : (
        <Unreachable />
      )}
    </Runs>
  );
  // In slices: what was made ahead is there to be looked at, and nothing waits for all of the page.
  startTransition(() => root.render(app));
}

void start();
