/**
 * A page as it looks before anything is known, as text: what browsers show until the app runs. Made when the app is built
 * (`scripts/faces.mjs`), in no bundle.
 */
import { QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, RouterProvider } from '@tanstack/react-router';
import { renderToString } from 'react-dom/server';
import { assumeConfig } from '@/shared/config';
import { client, routerFor } from './router';

export async function still(path: string): Promise<string> {
  assumeConfig({ cluster: '', program: '', io_mint: '', oracle: '', peers: [], local: false });
  const router = routerFor(createMemoryHistory({ initialEntries: [path] }));
  await router.load();
  const page = renderToString(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  // The content security policy takes styles from nowhere but its own files, and scripts neither.
  const plain = page.replace(/ style="[^"]*"/g, '');
  if (/<script|<style/.test(plain)) throw new Error(`${path} has a script or a style of its own`);
  if (!plain.includes('<h1')) throw new Error(`${path} has no heading: does it load?`);
  return plain;
}
