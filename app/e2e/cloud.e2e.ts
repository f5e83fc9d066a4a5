import { getAddressDecoder } from '@solana/kit';
import { describe, expect, inject, it } from 'vitest';
import { connect } from './harness/browser';
import { io } from './harness/io';
import { choose, jobOf, SETTLED_MS, sessions, shapeOf, submit } from './harness/sessions';
import { asked, release, setMood } from './harness/wallet';

const PASSAGES = Array.from(
  { length: 40 },
  (_, i) => `Passage ${i}: packages must declare what they depend on, ${i * 7} times over.`,
);
/** Nobody has a device of it. */
const NO_CLASS = 999;

const fresh = sessions();

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
    expect(shapeOf(await download.path())).toEqual([PASSAGES.length, 384]);
    // The order, and every transaction on the way.
    await page.getByText('✓ spec verified').waitFor();
    await expect.poll(() => page.getByTestId('timeline').getByText('✓ signed').count()).toBe(4);
    expect(complaints.all).toEqual([]);
  });

  it('cancels a job that waits, and gets everything back', async () => {
    const { page } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    // A class that nobody has: the job waits.
    await choose(page, 'one\ntwo', `/cloud/new?class=${NO_CLASS}`);
    await page.getByText('No device takes this now').waitFor();
    await page.getByLabel(/Pay at most/).fill('0.5');
    await page.getByTestId('submit').click();
    await jobOf(page);
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
    await page.getByText('Without “memory” 2 more').waitFor();
    await page.getByRole('button', { name: 'Relax memory' }).click();
    await expect.poll(() => page.getByRole('table').getByRole('row').count()).toBe(3);
    expect(page.url()).not.toContain('memory');
    await page.getByLabel('Work', { exact: true }).selectOption('lease');
    await page.getByText('whether its results are right, nobody checks').waitFor();
    expect(page.url()).toContain('engine=lease');
  });

  it('sees what a class’s hour costs by the network’s guide beside what devices ask', async () => {
    const { page } = await fresh({ wallet: false });
    await page.goto('/cloud?engine=lease');
    // A lease's ask is 1 IO for 1,000 s: 3.6 IO an hour.
    const cells = page.getByRole('table', { name: 'Offers' }).locator('tbody tr').first().getByRole('cell');
    await expect.poll(() => cells.nth(3).textContent()).toBe('3.6 IO');
    await io(
      'admin',
      'network',
      'update-class',
      '0',
      '--price-floor',
      '1',
      '--price-ceiling',
      '10',
      '--reference-price',
      '3',
    );
    // It comes by itself, from the chain.
    await expect.poll(() => cells.nth(4).textContent(), { timeout: 30_000 }).toBe('3 IO +20 %');
  });

  it('goes on with an upload where it broke off', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    const MIB = 1 << 20;
    // More than two parts.
    const text = Buffer.alloc(2 * MIB + 1_000, `${'x'.repeat(1_023)}\n`);
    await choose(page, text, `/cloud/new?class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('5000');
    const offsets: number[] = [];
    const isPart = (url: URL) => url.pathname.startsWith('/v1/blobs/') && url.searchParams.has('offset');
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (isPart(url) && Number(url.searchParams.get('size')) === text.length)
        offsets.push(Number(url.searchParams.get('offset')));
    });
    // The line is cut after the first part.
    const cut = (url: URL) => isPart(url) && url.searchParams.get('offset') !== '0';
    await context.route(cut, (route) => route.abort());
    await page.getByTestId('submit').click();
    await page.getByRole('alert').getByText('the oracle can not be reached').waitFor({ timeout: 60_000 });
    expect(offsets.filter((offset) => offset === 0)).toHaveLength(1);
    await context.unroute(cut);
    offsets.length = 0;
    // Even a page that was opened anew: the browser's key for uploads is kept.
    await choose(page, text, `/cloud/new?class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('5000');
    await page.getByTestId('submit').click();
    await jobOf(page);
    expect(offsets).toEqual([MIB, 2 * MIB]);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();
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
    await jobOf(page);
  });

  it('hold: what it signs after nobody waits any more is not sent', async () => {
    const { page } = await fresh();
    await page.clock.install();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, 'one passage that takes long to sign');
    const sent: string[] = [];
    page.on('request', (request) => {
      if (request.postData()?.includes('"sendTransaction"')) sent.push(request.url());
    });
    // Nobody answers for minutes.
    await setMood(page, 'hold');
    await page.getByTestId('submit').click();
    await page.getByText('Sign it in your wallet').waitFor();
    await page.clock.fastForward(181_000);
    await page.getByRole('alert').getByText('the wallet did not answer').waitFor();
    await release(page);
    // Or the user gives up before.
    await page.getByTestId('submit').click();
    await page.getByText('Sign it in your wallet').waitFor();
    await page.getByRole('button', { name: 'Stop waiting' }).click();
    await page.getByRole('alert').getByText('you stopped waiting for the wallet').waitFor();
    await release(page);
    expect(await asked(page)).toBe(2);
    await setMood(page, 'sign');
    expect(sent, 'what was signed too late is not sent').toEqual([]);
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
    expect(sent.length).toBeGreaterThan(0);
    await page.goto('/cloud/jobs');
    await page.getByRole('link', { name: `${job.slice(0, 6)}…${job.slice(-6)}` }).waitFor();
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

  it('shows what oracles say while the chain is down, says so, and comes back by itself', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await page.goto('/cloud/jobs');
    await page.getByText('Balance').waitFor();
    const { rpc_url } = inject('network');
    const down = (url: URL) => url.origin === rpc_url;
    await context.route(down, (route) => route.abort());
    // What was read stays, what oracles say comes; what can not be read says so.
    await page.goto('/cloud');
    await expect.poll(() => page.getByRole('table', { name: 'Offers' }).getByRole('row').count()).toBe(3);
    await page.getByTestId('freshness').getByText('Chain down').waitFor({ timeout: 30_000 });
    await page.goto('/explorer/devices');
    await page.getByRole('alert').first().waitFor({ timeout: 30_000 });
    await context.unroute(down);
    // Nobody presses anything.
    await expect
      .poll(() => page.getByRole('table', { name: 'All devices' }).getByRole('row').count(), { timeout: 90_000 })
      .toBe(3);
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
