/** Everything is found by its id, read in words, and taken along as a file. */
import { readFileSync } from 'node:fs';
import type { Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { io } from './harness/io';
import { sessions } from './harness/sessions';

const fresh = sessions();

interface JobShown {
  job: string;
  spec_hash: string;
  device: string;
  provider: string;
  history: { to: string; signature: string }[];
}
let job: JobShown;
let signature: string;

beforeAll(async () => {
  const { app, data_dir } = inject('network');
  const { writeFileSync } = await import('node:fs');
  const file = `${data_dir}/explored.txt`;
  writeFileSync(file, 'a passage to be found\nand another\n');
  // Until it is settled, and its result is here.
  const made = await io<{ job: string }>(
    'renter',
    ...['job', 'submit', 'embed', file, '--max-price', '2', '--wait', '-O', `${data_dir}/explored`],
  );
  job = (await (await fetch(`${app}/v1/jobs/${made.job}`)).json()) as JobShown;
  signature = job.history.find(({ to }) => to === 'open')?.signature ?? '';
});

async function search(page: Page, text: string) {
  await page.goto('/explorer');
  await page.getByRole('searchbox').fill(text);
  await page.getByRole('searchbox').press('Enter');
}

describe('search', () => {
  it('leads from any id to its page', async () => {
    const { page } = await fresh({ wallet: false });
    const { wallet, provider, devices, app } = inject('network');
    const { oracle } = (await (await fetch(`${app}/v1/info`)).json()) as { oracle: string };
    const ways: [id: string, to: RegExp, heading: RegExp][] = [
      [job.job, new RegExp(`/explorer/jobs/${job.job}$`), /^Job /],
      [job.spec_hash, /\/explorer\/jobs\//, /^Job /],
      [devices[0] ?? '', new RegExp(`/explorer/devices/${devices[0]}$`), /^Device /],
      // A provider by its wallet, and by its account.
      [provider, new RegExp(`/explorer/providers/${job.provider}$`), /^Provider /],
      [job.provider, new RegExp(`/explorer/providers/${job.provider}$`), /^Provider /],
      [oracle, new RegExp(`/explorer/oracles/${oracle}$`), /^Oracle /],
      [signature, new RegExp(`/explorer/transactions/${signature}$`), /^Transaction /],
      ['epoch 1', /\/explorer\/epochs\/1$/, /^Epoch 1$/],
    ];
    for (const [id, to, heading] of ways) {
      await search(page, id);
      await page.waitForURL(to);
      await page.getByRole('heading', { level: 1, name: heading }).waitFor();
    }
    await search(page, wallet);
    await page.getByText('a renter', { exact: true }).waitFor();
    await search(page, 'no such thing');
    await page.getByText('Nothing is called “no such thing”').waitFor();
  });
});

it('reads a transaction in words', async () => {
  const { page, complaints } = await fresh({ wallet: false });
  await page.goto(`/explorer/transactions/${signature}`);
  await page.getByText('Create job', { exact: true }).waitFor();
  // Its arguments, its accounts by their names, and the event that it left.
  await page.getByText('Max escrow').first().waitFor();
  await page
    .getByText(/\d+ Payer token/)
    .first()
    .waitFor();
  await page.getByText('Job changed').first().waitFor();
  expect(complaints.all).toEqual([]);
});

it('shows oracles’ verdicts, good only when they hold, and what of them is signed', async () => {
  const { page, context } = await fresh({ wallet: false });
  await page.goto(`/explorer/jobs/${job.job}`);
  const verdicts = page.getByTestId('attestation');
  await expect.poll(() => verdicts.getByText('✓ signature').count(), { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
  expect(await verdicts.getByText('valid', { exact: true }).count()).toBe(await verdicts.count());
  await verdicts.first().getByText('its word, under no signature').waitFor();
  // Another signature of the same oracle, over something else.
  await context.route(
    (url) => url.pathname.endsWith('/attestation'),
    async (route) => {
      const answer = await route.fetch();
      const said = (await answer.json()) as { signature: string; audit_signature: string };
      return route.fulfill({ response: answer, json: { ...said, signature: said.audit_signature } });
    },
  );
  await page.reload();
  await verdicts.first().getByText('✗ signature').waitFor({ timeout: 30_000 });
  await verdicts.first().getByText('claims valid').waitFor();
  expect(await verdicts.getByText('valid', { exact: true }).count()).toBe(0);
});

/** Pixels of a chart in the colour of its first series. */
const drawn = (chart: Locator) =>
  chart
    .locator('canvas')
    .first()
    .evaluate((canvas) => {
      const { width, height } = canvas as HTMLCanvasElement;
      const text = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
      const color = [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16));
      const pixels = (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data ?? [];
      let count = 0;
      for (let at = 0; at < pixels.length; at += 4) {
        const alike = color.every((part, i) => Math.abs(part - (pixels[at + i] ?? 0)) < 8);
        if (alike && (pixels[at + 3] ?? 0) > 100) count += 1;
      }
      return count;
    });

it('shows the supply against its cap, and charts of what happened', async () => {
  const { page } = await fresh({ wallet: false });
  await page.goto('/explorer');
  const region = (name: string) => page.getByRole('region', { name });
  const supply = region('Supply');
  await supply.getByText('there will never be more than').waitFor();
  await supply.getByText('800,000,000 IO', { exact: true }).waitFor();
  // The curve leads there, and says so.
  await supply.getByTestId('point').getByText('Supply 800,000,000 IO').waitFor();
  await region('Devices by class').getByRole('listitem').first().waitFor();
  for (const name of ['Supply', 'Jobs an hour', 'Settled an hour', 'Devices at work', 'Emission and rewards']) {
    // An epoch is a minute here, and its rewards take a while.
    await region(name).locator('canvas').first().waitFor({ timeout: 150_000 });
    await expect.poll(() => drawn(region(name)), { message: `${name} is drawn` }).toBeGreaterThan(10);
  }
  const land = page.getByRole('img', { name: /^Devices by region/ }).locator('path[d]');
  await expect.poll(async () => (await land.last().getAttribute('d'))?.length ?? 0).toBeGreaterThan(1_000);
}, 240_000);

it('says a chart’s values, to the keyboard as well', async () => {
  const { page } = await fresh({ wallet: false });
  await page.goto('/explorer');
  const chart = page.getByRole('region', { name: 'Jobs an hour' });
  const point = chart.getByTestId('point');
  await expect.poll(() => point.textContent(), { timeout: 30_000 }).toMatch(/: Jobs \d+$/);
  const newest = await point.textContent();
  const slider = chart.getByRole('slider');
  await slider.press('ArrowLeft');
  await expect.poll(() => point.textContent()).not.toBe(newest);
  expect(await slider.getAttribute('aria-valuetext')).toBe(await point.textContent());
  await slider.press('End');
  await expect.poll(() => point.textContent()).toBe(newest);
});

it('says what stands on the chain alone while the oracle is away', async () => {
  const { page, context } = await fresh({ wallet: false });
  await page.goto('/explorer');
  const told = page.getByText('Closed jobs as the oracle remembers them').first();
  await told.waitFor({ timeout: 30_000 });
  const { app, oracles } = inject('network');
  await context.route(
    (url) => [app, ...oracles].includes(url.origin) && url.pathname.startsWith('/v1/'),
    (route) => route.abort(),
  );
  await page.goto('/explorer');
  await page.getByText('From the chain alone').first().waitFor({ timeout: 60_000 });
  await page.getByText('The oracle does not answer: asks are missing.').waitFor({ timeout: 60_000 });
  await expect.poll(() => drawn(page.getByRole('region', { name: 'Jobs an hour' }))).toBeGreaterThan(10);
});

it('shows what burned over time, as much as the chain says', async () => {
  const { app, io_mint } = inject('network');
  // A share of the fees that came with the job before.
  await io('admin', 'treasury', 'sweep', io_mint);
  const told = async () =>
    (await (await fetch(`${app}/v1/burns?step=hour`)).json()) as { steps: { at: number; burned: { fees: string } }[] };
  await expect.poll(async () => (await told()).steps.length, { timeout: 30_000 }).toBeGreaterThan(0);
  const { page } = await fresh({ wallet: false });
  await page.goto('/explorer');
  const card = page.getByRole('region', { name: 'Burned over time' });
  await card.getByRole('img', { name: /fees/ }).waitFor();
  await card.getByText('✓ as on chain').waitFor({ timeout: 30_000 });
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    card.getByRole('button', { name: 'Export burned-over-time as JSON' }).click(),
  ]);
  const rows = JSON.parse(readFileSync(await download.path(), 'utf8')) as { fees_base_units: string }[];
  expect(rows.map((row) => row.fees_base_units)).toEqual((await told()).steps.map(({ burned }) => burned.fees));
});

it('gives out what is shown as CSV and JSON', async () => {
  const { page } = await fresh({ wallet: false });
  await page.goto('/explorer/devices');
  const save = async (name: string) => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name }).click()]);
    return readFileSync(await download.path(), 'utf8');
  };
  const csv = (await save('Export devices as CSV')).trimEnd().split('\r\n');
  expect(csv[0]).toContain('device,provider,operator,class');
  const { devices } = inject('network');
  expect(
    csv
      .slice(1)
      .map((line) => line.split(',')[0])
      .sort(),
  ).toEqual([...devices].sort());
  const rows = JSON.parse(await save('Export devices as JSON')) as { device: string; bond_base_units: string }[];
  expect(rows.map(({ device }) => device).sort()).toEqual([...devices].sort());
  expect(rows[0]?.bond_base_units, 'whole numbers beyond 2⁵³ stay exact: text').toMatch(/^\d+$/);
});
