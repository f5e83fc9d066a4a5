import { readFileSync } from 'node:fs';
import { getAddressDecoder } from '@solana/kit';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, describe, expect, inject, it } from 'vitest';
import { closeBrowser, connect, type Session, session } from './harness/browser';
import { asked, setMood } from './harness/wallet';

const PASSAGES = Array.from(
  { length: 40 },
  (_, i) => `Passage ${i}: packages must declare what they depend on, ${i * 7} times over.`,
);
const SETTLED_MS = 120_000;

let open: Session[] = [];
async function fresh(options?: Parameters<typeof session>[0]) {
  const one = await session(options);
  open.push(one);
  return one;
}

afterEach(async () => {
  for (const { context } of open) await context.close();
  open = [];
});
afterAll(closeBrowser);

async function choose(page: Page, text: string) {
  await page.goto('/cloud/new');
  await page
    .getByLabel('Passages')
    .setInputFiles({ name: 'passages.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
}

/** A job of these passages, paid for and created. */
async function submit(page: Page, text: string): Promise<string> {
  await choose(page, text);
  await page.getByTestId('submit').click();
  await page.waitForURL(/\/cloud\/jobs\/[1-9A-HJ-NP-Za-km-z]{32,44}$/);
  return page.url().split('/').at(-1) ?? '';
}

describe('a renter', () => {
  it('connects, pays once, sees the job settle, and verifies the result', async () => {
    const { page, complaints } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await submit(page, PASSAGES.join('\n'));
    expect(await asked(page)).toBe(1);
    // No reload: everything arrives by itself.
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    await page.getByText('✓ settlement adds up').waitFor();
    await page.getByText('✓ manifest verified').waitFor();
    await expect
      .poll(() => page.getByTestId('attestation').getByText('✓ signature').count(), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(2);
    const row = page.getByRole('listitem').filter({ hasText: 'embeddings.safetensors' });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      row.getByRole('button', { name: 'Download and verify' }).click(),
    ]);
    await row.getByText('✓ BLAKE3').waitFor();
    const bytes = readFileSync(await download.path());
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
    expect(header.embeddings.shape).toEqual([PASSAGES.length, 384]);
    expect(complaints.all).toEqual([]);
  });

  it('cancels a job that waits, and gets everything back', async () => {
    const { page } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    // A class that nobody has: the job waits.
    await page.goto('/cloud/new?class=999');
    await page
      .getByLabel('Passages')
      .setInputFiles({ name: 'p.txt', mimeType: 'text/plain', buffer: Buffer.from('one\ntwo') });
    await page.getByText('No device takes this now').waitFor();
    await page.getByLabel(/Pay at most/).fill('0.5');
    await page.getByTestId('submit').click();
    await page.waitForURL(/\/cloud\/jobs\/\w{32,44}$/);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();
    await page.getByTestId('timeline').getByText('Cancelled').waitFor();
  });

  it('is told what is wrong with a file, and nothing is sent', async () => {
    const { page } = await fresh({ wallet: false });
    await choose(page, 'fine\n'.repeat(3) + 'x'.repeat(70_000));
    await page.getByRole('alert').getByText('line 4: it has 70000 bytes').waitFor();
    expect(await page.getByTestId('submit').count()).toBe(0);
  });

  it('shares filters by the address', async () => {
    const { page } = await fresh({ wallet: false });
    await page.goto('/cloud?memory=99999999');
    await page.getByText('No device meets all of this').waitFor();
    await page.getByText('Without “memory”').waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await expect.poll(() => page.getByRole('table').getByRole('row').count()).toBe(3);
    expect(page.url()).not.toContain('memory');
  });
});

describe('a wallet that does not do what it is asked', () => {
  it.each([
    ['reject', 'you declined the transaction in the wallet'],
    ['alter', 'the wallet changed the transaction'],
  ] as const)('%s: nothing is sent, and the reason is said', async (mood, words) => {
    const { page } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await setMood(page, mood);
    await choose(page, 'one passage');
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.postData()?.includes('"sendTransaction"')) sent.push(request.url());
    });
    await setMood(page, mood);
    await page.getByTestId('submit').click();
    await page.getByRole('alert').getByText(words).waitFor();
    expect(sent).toEqual([]);
    // It goes on where it was.
    await setMood(page, 'sign');
    await page.getByTestId('submit').click();
    await page.waitForURL(/\/cloud\/jobs\/\w{32,44}$/);
  });
});

describe('when a part is away', () => {
  it('shows the chain while the API is down, and says so', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    const job = await submit(page, 'a passage\nand another');
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    const { app, oracles } = inject('network');
    const down = (url: URL) =>
      [app, ...oracles].includes(url.origin) && (url.pathname.startsWith('/v1/') || url.pathname === '/health');
    await context.route(down, (route) => route.abort());
    await page.goto(`/cloud/jobs/${job}`);
    await page.getByTestId('state').getByText('settled').waitFor();
    await page.getByText('The oracle does not answer: progress').waitFor({ timeout: 30_000 });
    await page.getByTestId('freshness').getByText('API down').waitFor();
    await context.unroute(down);
    await page.getByTestId('freshness').getByText('Live').waitFor({ timeout: 30_000 });
  });

  it('keeps two tabs alike', async () => {
    const first = await fresh();
    await first.page.goto('/cloud');
    await connect(first.page);
    const second = await first.context.newPage();
    await second.goto('/cloud/jobs');
    await second.getByTestId('wallet').getByText('…').waitFor();
    const job = await submit(first.page, 'seen by both');
    const link = second.getByRole('link', { name: `${job.slice(0, 6)}…${job.slice(-6)}` });
    await link.waitFor({ timeout: 30_000 });
    await second.getByRole('row').filter({ has: link }).getByText('settled').waitFor({ timeout: SETTLED_MS });
  });
});

describe('a long history', () => {
  it('of 10,000 jobs keeps few rows in the page, and all in reach', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await submit(page, 'one of many');
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    const MANY = 10_000;
    const { rpc_url } = inject('network');
    await context.route(
      (url) => url.origin === rpc_url,
      async (route) => {
        const asked = route.request().postDataJSON() as {
          method?: string;
          params?: [string, { filters?: unknown[] }];
        } | null;
        // Only the list of a renter's jobs has two filters.
        if (asked?.method !== 'getProgramAccounts' || asked.params?.[1].filters?.length !== 2) return route.continue();
        const answer = await route.fetch();
        const body = (await answer.json()) as { result: { value: { pubkey: string; account: unknown }[] } };
        const [one] = body.result.value;
        body.result.value = Array.from({ length: MANY }, (_, i) => {
          const key = new Uint8Array(32).fill(7);
          new DataView(key.buffer).setUint32(0, i);
          return { pubkey: getAddressDecoder().decode(key), account: one?.account };
        });
        return route.fulfill({ response: answer, json: body });
      },
    );
    await page.goto('/cloud/jobs');
    const table = page.getByRole('table', { name: 'Jobs' });
    await expect.poll(() => table.getAttribute('aria-rowcount'), { timeout: 30_000 }).toBe(String(MANY + 1));
    expect(await table.getByRole('link').count()).toBeLessThan(100);
    await page.getByRole('region', { name: 'Jobs' }).evaluate((region) => region.scrollTo(0, region.scrollHeight));
    await expect.poll(() => table.locator(`tr[aria-rowindex="${MANY + 1}"]`).count()).toBe(1);
    expect(await table.getByRole('link').count()).toBeLessThan(100);
  });
});
