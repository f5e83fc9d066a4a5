/** Every page in both themes and two widths: no serious accessibility violation, nothing refused or uncaught, a picture to look at. */
import { afterAll, describe, expect, inject, it } from 'vitest';
import { closeBrowser, connect, screenshot, session, violations } from './harness/browser';

afterAll(closeBrowser);

const PAGES: [name: string, path: string][] = [
  ['home', '/'],
  ['cloud-offers', '/cloud'],
  ['cloud-offers-none', '/cloud?memory=99999999'],
  ['cloud-new', '/cloud/new'],
  ['cloud-new-wasm', '/cloud/new?engine=wasm'],
  ['cloud-jobs', '/cloud/jobs'],
  ['worker', '/worker'],
  ['explorer', '/explorer'],
  ['nothing', '/nothing/here'],
];

describe.each(['light', 'dark'] as const)('%s', (theme) => {
  it.each(PAGES)('%s', async (name, path) => {
    const { page, context, complaints } = await session({ theme });
    await page.goto('/');
    await connect(page);
    await page.goto(path);
    await page.getByRole('heading', { level: 1 }).waitFor();
    await expect.poll(() => page.getByRole('status', { name: 'Loading' }).count()).toBe(0);
    await screenshot(page, `${name}-${theme}`);
    expect(await violations(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 844 });
    await screenshot(page, `${name}-${theme}-phone`);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow, 'the page is wider than a phone').toBeLessThanOrEqual(0);
    expect(complaints.all).toEqual([]);
    await context.close();
  });

  it('a job', async () => {
    const { page, context } = await session({ theme });
    await page.goto('/cloud/jobs');
    await connect(page);
    const link = page.getByRole('table').getByRole('link').first();
    await link.waitFor();
    await link.click();
    await page.getByTestId('timeline').waitFor();
    await screenshot(page, `cloud-job-${theme}`);
    expect(await violations(page)).toEqual([]);
    await context.close();
  });
});

it('is used by keyboard', async () => {
  const { page, context } = await session();
  await page.goto('/cloud');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  await context.close();
});

it('is served with a strict policy and caches what never changes', async () => {
  const { app } = inject('network');
  const index = await fetch(app);
  const policy = index.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self';");
  expect(policy).not.toContain('unsafe');
  expect(index.headers.get('cache-control')).toBe('no-cache');
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(await index.text())?.[1];
  const asset = await fetch(`${app}${script}`);
  expect(asset.headers.get('cache-control')).toContain('immutable');
  const foreign = await fetch(`${app}/v1/info`, { headers: { origin: 'https://elsewhere.example' } });
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
});

/** The beginning of the event stream, as text. */
async function streamHead(app: string, place?: string): Promise<string> {
  const abort = new AbortController();
  const answer = await fetch(`${app}/v1/events`, {
    headers: place === undefined ? {} : { 'last-event-id': place },
    signal: abort.signal,
  });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('event: hello\n') || !text.includes('\n\n')) text += (await reader?.read())?.value ?? '';
  abort.abort();
  return text;
}

it('streams events, and goes on where a reader was', async () => {
  const { app } = inject('network');
  const first = await streamHead(app);
  expect(first).toContain('"resumed":false');
  const place = /^id: (\d+-\d+)$/m.exec(first)?.[1];
  expect(place).toBeDefined();
  expect(await streamHead(app, place)).toContain('"resumed":true');
  expect(await streamHead(app, '1-1')).toContain('"resumed":false');
});
