/** A device by the second: rented, warned about, topped up, used, ended, and what was added taken back. */
import { expect, it } from 'vitest';
import { connect } from './harness/browser';
import { jobOf, SETTLED_MS, sessions, shapeOf } from './harness/sessions';
import { asked } from './harness/wallet';

const fresh = sessions();
/** Rented at first. A quarter of it before the end the renter is warned. */
const MINUTES = 2;
/** Work that takes longer than the oracle lets anybody wait at once. */
const PASSAGES = 8_000;

it('is rented with one signature, warns before its end, is extended, works, and ends', async () => {
  const { page, complaints } = await fresh();
  await page.goto('/cloud');
  await connect(page);
  await page.goto('/cloud/new?engine=lease');
  await page.getByLabel('Rent for, minutes').fill(String(MINUTES));
  // What the class does not prove is said before anybody pays.
  await page.getByText('whether its results are right, nobody checks').first().waitFor();
  await page.getByTestId('most').getByText('0.1203 IO').waitFor();
  await page.getByTestId('submit').click();
  await jobOf(page);
  expect(await asked(page)).toBe(1);

  await page.getByTestId('state').getByText('running').waitFor({ timeout: SETTLED_MS });
  const left = async () => Number(await page.getByTestId('runway').getAttribute('data-seconds'));
  const begun = await left();
  expect(begun).toBeGreaterThan(0);
  expect(begun).toBeLessThanOrEqual(MINUTES * 60);
  // The clock runs, and oracles count with it; their signatures are checked here.
  await expect.poll(left).toBeLessThan(begun);
  await expect
    .poll(() => page.getByTestId('meter').getByText('✓ signature').count(), { timeout: 90_000 })
    .toBeGreaterThanOrEqual(2);

  await page.getByText('It ends soon').waitFor({ timeout: MINUTES * 60_000 });
  await page.getByLabel('Add', { exact: true }).selectOption('600');
  await page.getByRole('button', { name: 'Add time' }).click();
  await expect.poll(left, { timeout: 30_000 }).toBeGreaterThan(540);
  expect(await asked(page)).toBe(2);
  expect(await page.getByText('It ends soon').count()).toBe(0);
  // The timeline has what was signed for it since it began.
  const timeline = page.getByTestId('timeline');
  await timeline
    .getByRole('listitem')
    .filter({ hasText: 'Extended by 10 min' })
    .getByText('✓ signed')
    .waitFor({ timeout: 60_000 });
  await timeline
    .getByRole('listitem')
    .filter({ hasText: 'A quorum signed' })
    .first()
    .getByText('✓ signed')
    .waitFor({ timeout: 90_000 });

  // Work for the device, as often as one likes: one signature each, however long it takes.
  const passages = Array.from(
    { length: PASSAGES },
    (_, i) => `Passage ${i} is about tolls, bridges and what they cost.`,
  );
  await page
    .getByLabel('Passages')
    .setInputFiles({ name: 'p.txt', mimeType: 'text/plain', buffer: Buffer.from(passages.join('\n')) });
  await page.getByRole('button', { name: 'Run it on the device' }).click();
  const request = page.getByTestId('request');
  await request.getByText('It is given up after').waitFor({ timeout: 60_000 });
  await request.getByRole('progressbar', { name: 'Work done' }).waitFor({ timeout: 60_000 });
  await request.getByRole('button', { name: 'Stop waiting' }).click();
  await page.getByRole('button', { name: 'Wait for the result' }).click();
  await request.waitFor();
  expect(await asked(page)).toBe(3);
  // A page that is loaded again goes on waiting by itself, and asks for no signature.
  await page.reload();
  const result = page.getByRole('region', { name: /^Result/ });
  await request.or(result).waitFor({ timeout: 30_000 });
  await result.waitFor({ timeout: 180_000 });
  expect(await asked(page)).toBe(0);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    result
      .getByRole('listitem')
      .filter({ hasText: 'embeddings.safetensors' })
      .getByRole('button', { name: 'Download and verify' })
      .click(),
  ]);
  expect(shapeOf(await download.path())).toEqual([PASSAGES, 384]);

  await page.getByRole('button', { name: 'End it now' }).click();
  await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
  await page.getByTestId('timeline').getByText('Ended by the renter').waitFor();
  await page.getByText('✓ settlement adds up').waitFor();
  // The extension's part of what was not served.
  await page.getByRole('button', { name: 'Take back what was added' }).click();
  await page.getByRole('button', { name: 'Close' }).waitFor({ timeout: 30_000 });
  expect(complaints.all).toEqual([]);
}, 480_000);
