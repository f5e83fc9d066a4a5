/** Everything is found by its id, read in words, and taken along as a file. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
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

it('shows the supply against its cap, and charts of what happened', async () => {
  const { page } = await fresh({ wallet: false });
  await page.goto('/explorer');
  const supply = page.getByRole('region', { name: 'Supply' });
  await supply.getByText('there will never be more than').waitFor();
  await supply.getByText('800,000,000 IO').waitFor();
  for (const name of ['Devices by class', 'Jobs an hour', 'Settled an hour', 'Devices at work', 'Emission and rewards'])
    await page
      .getByRole('region', { name })
      .getByRole('img')
      .or(page.getByRole('region', { name }).getByRole('list'))
      .first()
      .waitFor();
  await page.getByRole('img', { name: /^Devices by region/ }).waitFor();
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
