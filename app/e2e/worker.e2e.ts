/** What providers, their co-stakers and holders of genesis parts do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { address, createSolanaRpc, getAddressDecoder, getBase64Encoder } from '@solana/kit';
import type { Locator, Page } from 'playwright-core';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { getDeviceDecoder } from '../src/generated/program';
import { connect } from './harness/browser';
import { io } from './harness/io';
import { sessions } from './harness/sessions';
import { asked } from './harness/wallet';

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

/** Presses Tab until something has the focus. */
async function tabTo(page: Page, target: Locator) {
  const MOST = 80;
  for (let i = 0; i < MOST; i++) {
    await page.keyboard.press('Tab');
    if (await target.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`${MOST} tabs do not lead to ${target}`);
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
    // How old they are is said, and they are renewed.
    for (const beat of await page.getByTestId('heartbeat').all())
      await expect.poll(() => beat.textContent(), { timeout: 30_000 }).toMatch(/^\d s ago$/);

    await page.goto('/worker/rewards');
    const claimable = () => page.getByTestId('claimable').locator('data').getAttribute('value');
    // An epoch is a minute here; a quorum has to agree on it.
    await expect
      .poll(async () => BigInt((await claimable().catch(() => null)) ?? '0') > 0n, { timeout: 170_000 })
      .toBe(true);
    await page.getByText('leads to the root on chain').waitFor();
    const claimed = await amount(page, 'Claimed');
    const claim = page.getByRole('button', { name: /^Claim / }).first();
    const isPaid = async () => (await amount(page, 'Claimed')) > claimed;
    // A root that lands just then refuses the claim by the one before, and says so: it is made again.
    const refused = page.getByText('does not lead to the current root');
    for (let left = 3; left > 0 && !(await isPaid()); left--) {
      await claim.click();
      await expect.poll(async () => (await isPaid()) || (await refused.count()) > 0, { timeout: 30_000 }).toBe(true);
    }
    expect(await isPaid()).toBe(true);
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

  it('stakes with the keyboard alone, from the wallet on', async () => {
    const { page } = await fresh({ wallet: 'provider' });
    await page.goto('/worker/stake');
    await tabTo(page, page.getByTestId('wallet'));
    await page.keyboard.press('Enter');
    await tabTo(page, page.getByRole('button', { name: 'Test wallet' }));
    await page.keyboard.press('Enter');
    const field = page.getByLabel('IO to stake', { exact: true });
    await field.waitFor();
    const before = await amount(page, 'Staked');
    await tabTo(page, field);
    await page.keyboard.type('1.5');
    await tabTo(page, page.getByRole('button', { name: 'Stake', exact: true }));
    await page.keyboard.press('Enter');
    await expect.poll(() => amount(page, 'Staked'), { timeout: 30_000 }).toBe(before + 150_000_000n);
  });

  it('gets one command for a new machine, with the network’s own addresses and without its key', async () => {
    const { page } = await as('provider', '/worker/setup');
    const { app, rpc_url, ws_url, oracles } = inject('network');
    const command = (await page.getByTestId('command').textContent()) ?? '';
    expect(command).toContain(`ws_url = "${ws_url}"`);
    for (const part of [rpc_url, ...oracles]) expect(command).toContain(part);
    expect(command).toContain(`io worker run --config worker.toml --app '${new URL(app).origin}'`);
    expect(command).not.toContain('authority');
  });

  it('is told whose a machine is that is registered', async () => {
    const { page } = await as('renter', '/worker/setup');
    const { rpc_url, devices } = inject('network');
    const { value } = await createSolanaRpc(rpc_url)
      .getAccountInfo(address(devices[0] ?? ''), { encoding: 'base64' })
      .send();
    const { hardware, operator, provider } = getDeviceDecoder().decode(getBase64Encoder().encode(value?.data[0] ?? ''));
    await page.goto(`/worker/setup?hardware=${Buffer.from(hardware).toString('hex')}&operator=${operator}`);
    await page.getByText('It is registered already').waitFor();
    await page.getByRole('link', { name: provider }).waitFor();
    expect(await page.getByRole('button', { name: 'Register the device' }).count()).toBe(0);
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

it('somebody new registers a machine with one signature, is told what it lacks, and retires it', async () => {
  const { page, complaints } = await as('admin', '/worker/setup');
  await page.getByLabel('Hardware').fill('ABC');
  await page.getByRole('alert').getByText('64 digits').waitFor();
  const hardware = randomBytes(32).toString('hex');
  const operator = getAddressDecoder().decode(randomBytes(32));
  await page.goto(`/worker/setup?hardware=${hardware}&operator=${operator}`);
  expect(await page.getByLabel('Hardware').count(), 'the link names it').toBe(0);
  const give = page.getByRole('checkbox', { name: /^Give the operator 0.05 SOL/ });
  await expect.poll(() => give.isChecked(), { timeout: 30_000 }).toBe(true);
  await page.getByRole('button', { name: 'Register the device' }).click();
  await page.getByText('It is yours').waitFor({ timeout: 30_000 });
  expect(await asked(page), 'provider, stake, device and fees').toBe(1);
  await page.getByRole('link', { name: 'as this device' }).click();
  await page.getByRole('heading', { level: 1, name: /^Device / }).waitFor();
  await page.getByText('never', { exact: true }).waitFor();

  // Nothing runs on it: each check that fails has its fix beside it.
  await page.goto('/worker');
  const row = (name: string) => page.getByRole('listitem').filter({ has: page.getByText(name, { exact: true }) });
  for (const [name, detail, fix] of [
    ['Connected', 'has seen no heartbeat', 'Start the worker: io worker run'],
    ['Attested', 'no quorum has measured it yet', 'A running worker renews it'],
  ] as const) {
    await row(name).getByText('fails', { exact: true }).waitFor();
    await row(name).getByText(detail).waitFor();
    await row(name).getByText(fix).waitFor();
  }
  await row('Fees').getByText('the operator holds 0.05 SOL').waitFor();
  expect(await row('Fees').getByText('holds', { exact: true }).count()).toBe(1);

  // And why it was not paid.
  await page.goto('/worker/rewards');
  await page.getByText('not counted').waitFor({ timeout: 170_000 });
  await page.getByText(/It was registered after the epoch|It was never attested/).waitFor();

  await page.goto('/worker');
  await page.getByText('Bond and retirement').click();
  await page.getByLabel('New bond, IO').fill('200');
  expect(await page.getByRole('button', { name: 'Change the bond' }).isDisabled(), 'it is that').toBe(true);
  await page.getByRole('button', { name: 'Retire it' }).click();
  await page.getByText('No devices yet').waitFor({ timeout: 30_000 });
  expect(complaints.all).toEqual([]);
}, 300_000);

it('a holder of a genesis part claims what vested', async () => {
  const { page } = await as('admin', '/worker/rewards');
  const card = page.getByRole('region', { name: 'Genesis part: seed' });
  await card.getByRole('button', { name: 'Claim what vested' }).click();
  const value = (label: string) =>
    card.getByText(label, { exact: true }).locator('xpath=..').locator('data').getAttribute('value');
  // All of it is free at once on a local network.
  await expect.poll(() => value('Claimed')).toBe(await value('Total'));
  await expect.poll(() => value('Claimable now')).toBe('0');
  await expect.poll(() => card.getByRole('button', { name: 'Claim what vested' }).isDisabled()).toBe(true);
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
    // Work for some seconds, so that the worker can be killed at it; far less than the longest run, or a slow machine would not take it.
    const passages = join(data_dir, 'let-down.txt');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(
      passages,
      Array.from({ length: 250 }, (_, i) => `Passage ${i} is about ${'tolls and bridges, '.repeat(8)}.`).join('\n'),
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
      '90s',
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
    await card.waitFor({ timeout: 180_000 });
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
  }, 400_000);
});
