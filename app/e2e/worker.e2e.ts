/** What providers, their co-stakers and holders of genesis parts do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { connect } from './harness/browser';
import { io } from './harness/io';
import { sessions } from './harness/sessions';

const fresh = sessions();

/** The figure that stands under a name. */
const figure = (page: Page, label: string) =>
  page.getByText(label, { exact: true }).locator('xpath=..').locator('data').first();
const amount = async (page: Page, label: string) => BigInt((await figure(page, label).getAttribute('value')) ?? '0');

async function as(who: 'provider' | 'renter' | 'admin', path: string) {
  const opened = await fresh({ wallet: who });
  await opened.page.goto('/');
  await connect(opened.page);
  await opened.page.goto(path);
  return opened;
}

describe('a provider', () => {
  it('stakes, sees its devices live, and claims what they earned', async () => {
    const { page, complaints } = await as('provider', '/worker/stake');
    const before = await amount(page, 'Staked');
    await page.getByLabel('IO to stake', { exact: true }).fill('10.5');
    await page.getByRole('button', { name: 'Stake', exact: true }).click();
    await expect.poll(() => amount(page, 'Staked'), { timeout: 30_000 }).toBe(before + 1_050_000_000n);

    await page.goto('/worker');
    await expect.poll(() => page.getByText('healthy').count(), { timeout: 60_000 }).toBe(2);
    await expect.poll(() => page.getByRole('progressbar', { name: 'Load' }).count(), { timeout: 30_000 }).toBe(2);
    await page.getByText('heartbeat').first().waitFor({ state: 'attached' });

    await page.goto('/worker/rewards');
    const claimable = () => page.getByTestId('claimable').locator('data').getAttribute('value');
    // An epoch is a minute here; a quorum has to agree on it.
    await expect
      .poll(async () => BigInt((await claimable().catch(() => null)) ?? '0') > 0n, { timeout: 170_000 })
      .toBe(true);
    await page.getByText('leads to the root on chain').waitFor();
    const claimed = await amount(page, 'Claimed');
    await page
      .getByRole('button', { name: /^Claim / })
      .first()
      .click();
    await expect.poll(() => amount(page, 'Claimed'), { timeout: 30_000 }).toBeGreaterThan(claimed);
    // Why: recomputed, every check holds.
    await page.getByText('Your browser computed it again').waitFor();
    expect(await page.getByText('fails', { exact: true }).count()).toBe(0);
    expect(complaints.all).toEqual([]);
  }, 300_000);

  it('unstakes, and sees the clock of what leaves', async () => {
    const { page } = await as('provider', '/worker/stake');
    await page.getByLabel('IO to unstake').fill('1.25');
    await page.getByRole('button', { name: 'Unstake' }).click();
    const leaving = page.getByRole('progressbar', { name: 'Time until 1.25 IO is free' });
    await leaving.waitFor({ timeout: 30_000 });
    expect(await page.getByRole('button', { name: 'Withdraw' }).isDisabled()).toBe(true);
  });

  it('gets one command for a new machine, with the network’s own addresses', async () => {
    const { page } = await as('provider', '/worker/setup');
    const command = page.getByTestId('command');
    const { rpc_url, ws_url, oracles } = inject('network');
    await expect.poll(() => command.textContent()).toContain(`ws_url = "${ws_url}"`);
    for (const part of [rpc_url, ...oracles]) expect(await command.textContent()).toContain(part);
  });

  it('reckons profit from its own prices', async () => {
    const { page } = await as('provider', '/worker/profit');
    await page.getByLabel('Price of 1 IO').fill('0.5');
    await page.getByLabel('Watts at work, a device').fill('100');
    await page.getByLabel('Watts idle, a device').fill('20');
    await expect
      .poll(() => page.getByText(/^−?-?\d+\.\d\d USD$/).count(), { timeout: 30_000 })
      .toBeGreaterThanOrEqual(4);
  });
});

it('somebody new becomes a provider with a signature, and stakes', async () => {
  const { page } = await as('admin', '/worker/setup');
  await page.getByRole('button', { name: 'Register this wallet' }).click();
  await page.getByText('This wallet is a provider.').waitFor({ timeout: 30_000 });
  await page.goto('/worker/stake');
  await page.getByLabel('IO to stake', { exact: true }).fill('5');
  await page.getByRole('button', { name: 'Stake', exact: true }).click();
  await expect.poll(() => amount(page, 'Staked'), { timeout: 30_000 }).toBe(500_000_000n);
});

it('a holder of a genesis part claims what vested', async () => {
  const { page } = await as('admin', '/worker/rewards');
  const card = page.getByRole('region', { name: 'Genesis part: seed' });
  await card.getByRole('button', { name: 'Claim what vested' }).click();
  // All of it is free at once on a local network.
  await expect
    .poll(() => card.getByRole('button', { name: 'Claim what vested' }).isDisabled(), { timeout: 30_000 })
    .toBe(true);
  const value = (label: string) =>
    card.getByText(label, { exact: true }).locator('xpath=..').locator('data').getAttribute('value');
  await expect.poll(() => value('Claimed')).toBe(await value('Total'));
  expect(await value('Claimable now')).toBe('0');
});

it('a co-staker joins on the provider’s terms, and leaves with notice', async () => {
  const provider = await as('provider', '/worker/stake');
  await provider.page.getByLabel('Commission, percent').fill('7.5');
  await provider.page.getByRole('button', { name: 'Open', exact: true }).click();
  await provider.page.getByText('open, 7.50 %').waitFor({ timeout: 30_000 });

  const { page } = await as('renter', '/worker/stake');
  const box = page.getByLabel('Provider', { exact: true });
  await expect.poll(() => box.locator('option').count(), { timeout: 30_000 }).toBeGreaterThan(1);
  await box.selectOption({ index: 1 });
  await page.getByLabel('IO to co-stake').fill('20');
  await page.getByRole('button', { name: 'Join' }).click();
  const card = page.getByRole('region', { name: /^Your co-stake beside/ });
  await card.waitFor({ timeout: 30_000 });
  await expect.poll(() => card.locator('data').first().getAttribute('value')).toBe('2000000000');
  await card.getByText('7.50 %').waitFor();
  // Its provider sees it by itself.
  await provider.page.getByRole('region', { name: /^Co-staker/ }).waitFor({ timeout: 30_000 });

  await card.getByRole('button', { name: 'Leave' }).click();
  await card.getByText('Notice ends').waitFor({ timeout: 30_000 });
  const unbond = card.getByRole('button', { name: 'Unbond' });
  expect(await unbond.isDisabled(), 'the notice is a minute here').toBe(true);
  await expect.poll(() => unbond.isEnabled(), { timeout: 90_000 }).toBe(true);
  await unbond.click();
  await card.getByText('Withdrawable').waitFor({ timeout: 30_000 });
  expect(await card.getByRole('button', { name: 'Withdraw' }).isDisabled()).toBe(true);
});

describe('a penalty', () => {
  const again: ChildProcess[] = [];
  afterAll(() => {
    for (const child of again) child.kill('SIGTERM');
  });

  it('of a job that was let down is contested', async () => {
    const { devices, processes, data_dir } = inject('network');
    const { page } = await as('provider', '/worker/slashes');
    await page.getByText('None was ever opened').waitFor();
    // Work for some seconds, so that the worker can be killed at it.
    const passages = join(data_dir, 'let-down.txt');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      passages,
      Array.from({ length: 600 }, (_, i) => `Passage ${i} is about tolls and bridges.`).join('\n'),
    );
    const made = await io<{ job: string }>(
      'renter',
      'job',
      'submit',
      'embed',
      passages,
      '--max-price',
      '20',
      '--max-run',
      '40s',
    );
    let number = -1;
    await expect
      .poll(
        async () => {
          const job = await io<{ state: string; device?: string }>('renter', 'job', 'get', made.job);
          if (job.state === 'running') number = devices.indexOf(job.device ?? '') + 1;
          return job.state;
        },
        { timeout: 60_000, interval: 200 },
      )
      .toBe('running');
    process.kill(processes[`worker-${number}`] as number, 'SIGKILL');

    const card = page.getByRole('region', { name: /^Case/ });
    await card.waitFor({ timeout: 120_000 });
    await card.getByText('let a deadline pass').waitFor();
    again.push(
      spawn(
        process.env.IO_BIN as string,
        ['worker', 'run', '--config', join(data_dir, `services/worker-${number}.json`)],
        {
          stdio: 'ignore',
          cwd: join(data_dir, 'services'),
        },
      ),
    );
    await card.getByRole('button', { name: /^Appeal with/ }).click();
    await card.getByText('appealed').waitFor({ timeout: 30_000 });
    await card.getByText('Oracles that did not accuse decide until').waitFor();
  }, 300_000);
});
