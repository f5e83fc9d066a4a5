import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { client, router } from '@/app/router';
import { loadConfig } from '@/shared/config';
import { Button } from '@/shared/ui/button';
import { Page } from '@/shared/ui/layout';
import { Empty } from '@/shared/ui/states';
import './app/styles.css';

const element = document.getElementById('root');
if (!element) throw new Error('index.html has no #root');
const root = createRoot(element);

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

loadConfig().then(
  () =>
    root.render(
      <StrictMode>
        <QueryClientProvider client={client}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </StrictMode>,
    ),
  () => root.render(<Unreachable />),
);
