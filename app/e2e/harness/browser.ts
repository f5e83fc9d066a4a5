import { existsSync } from 'node:fs';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { expect, inject } from 'vitest';
import { keyOf, type Who } from './io';
import { giveWallet } from './wallet';

const CANDIDATES = [
  process.env.IO_CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const SCREENSHOTS = join(import.meta.dirname, '../../screenshots');

let browser: Browser | null = null;

export async function launch(): Promise<Browser> {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no chromium: apt-get install chromium, or name one with IO_CHROMIUM');
  browser ??= await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
  browser = null;
}

/** What went wrong in a page: anything that the policy refused, any uncaught error, any request elsewhere. */
export interface Complaints {
  all: string[];
}

export interface Session {
  context: BrowserContext;
  page: Page;
  complaints: Complaints;
}

/** A browser profile of its own, with the renter's wallet unless another is named, or the file of any key. */
export async function session(
  options: { wallet?: Who | false; keyfile?: string; theme?: 'light' | 'dark'; width?: number } = {},
): Promise<Session> {
  const network = inject('network');
  const context = await (await launch()).newContext({
    baseURL: network.app,
    colorScheme: options.theme ?? 'light',
    viewport: { width: options.width ?? 1280, height: 900 },
    acceptDownloads: true,
    reducedMotion: 'reduce',
  });
  if (options.wallet !== false) await giveWallet(context, options.keyfile ?? keyOf(options.wallet ?? 'renter'));
  const page = await context.newPage();
  const complaints = watch(page, [network.app, network.rpc_url, ...network.oracles]);
  // Until the app runs, a page can be looked at only.
  const [goto, runs] = [page.goto.bind(page), page.locator('#root:not([inert])')];
  page.goto = async (...to) => {
    const answer = await goto(...to);
    await runs.waitFor({ state: 'attached' });
    return answer;
  };
  return { context, page, complaints };
}

function watch(page: Page, allowed: string[]): Complaints {
  const complaints: Complaints = { all: [] };
  page.on('pageerror', (error) => complaints.all.push(`uncaught: ${error.message}`));
  page.on('console', (message) => {
    if (/Content Security Policy|Refused to/.test(message.text())) complaints.all.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    if (protocol.startsWith('http') && !allowed.includes(origin)) complaints.all.push(`request to ${request.url()}`);
  });
  return complaints;
}

export async function connect(page: Page) {
  await page.getByTestId('wallet').click();
  await page.getByRole('button', { name: 'Test wallet' }).click();
  await page.getByTestId('wallet').getByText('…').waitFor();
}

/** Serious accessibility violations, one line each. */
export async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(
      ({ id, nodes }) =>
        `${id}: ${nodes.map((node) => `${node.target.join(' ')} (${node.failureSummary?.split('\n')[1]?.trim()})`).join(', ')}`,
    );
}

/** Waits until nothing of a page is still to come: no place is kept for it, and nothing is being read. */
export async function loaded(page: Page) {
  await expect.poll(() => page.getByRole('status', { name: 'Loading' }).count(), { timeout: 30_000 }).toBe(0);
  await expect
    .poll(() => page.getByTestId('freshness').textContent(), { timeout: 30_000 })
    .not.toMatch(/Connecting|reading/);
}

/** All of a page, as a window that is high enough shows it: what sticks to the window's edges lies at its edges. */
export async function screenshot(page: Page, name: string) {
  const before = page.viewportSize() ?? { width: 1280, height: 900 };
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: before.width, height: Math.max(before.height, height) });
  // What is loaded only once it is in sight.
  await loaded(page);
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`) });
  await page.setViewportSize(before);
}
