/** A job that a program's own account rents, through a call: as verified as any other. */
import { writeFileSync } from 'node:fs';
import { expect, inject, it } from 'vitest';
import { rentThroughProgram } from './harness/integrator';
import { io } from './harness/io';
import { SETTLED_MS, sessions } from './harness/sessions';

const fresh = sessions();

it('is read inside the call that created it, and settles', async () => {
  const { data_dir } = inject('network');
  const file = `${data_dir}/integrated.txt`;
  writeFileSync(file, 'a passage that a program sends\n');
  const like = await io<{ job: string }>(
    'renter',
    ...['job', 'submit', 'embed', file, '--max-price', '2', '--wait', '-O', `${data_dir}/integrated`],
  );
  const { job, desk, signature } = await rentThroughProgram(like.job);

  const { page, complaints } = await fresh({ wallet: false });
  await page.goto(`/cloud/jobs/${job}`);
  const created = page.getByTestId('timeline').getByRole('listitem').filter({ hasText: 'Created' });
  await created.getByText('✓ signed').waitFor({ timeout: 30_000 });
  expect(await created.locator('[data-tip*="calls program 3yaZ"]').count()).toBe(1);
  await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
  await page.getByText('✓ settlement adds up').waitFor();
  await expect
    .poll(() => page.getByTestId('timeline').getByText('✓ signed').count(), { timeout: 30_000 })
    .toBeGreaterThanOrEqual(4);
  expect(await page.getByText('signed, not read').count()).toBe(0);

  // The call within the call, in words.
  await page.goto(`/explorer/transactions/${signature}`);
  await page.getByText('Create job', { exact: true }).waitFor();
  await page.getByText(desk.slice(0, 4)).first().waitFor();
  expect(complaints.all).toEqual([]);
});
