import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getAddressDecoder, getBase64Decoder, getBase64Encoder } from '@solana/kit';
import type { BrowserContext, Page, Route } from 'playwright-core';
import { describe, expect, inject, it } from 'vitest';
import { getJobDecoder, getJobEncoder } from '../src/generated/program';
import { connect } from './harness/browser';
import { bend, funded, jobAt, lamportsOf, mostOf, tokensOf } from './harness/chain';
import { io } from './harness/io';
import { choose, jobOf, SETTLED_MS, sessions, shapeOf, submit } from './harness/sessions';
import { asked, release, setMood } from './harness/wallet';

const PASSAGES = Array.from(
  { length: 40 },
  (_, i) => `Passage ${i}: packages must declare what they depend on, ${i * 7} times over.`,
);
/** Nobody has a device of it. */
const NO_CLASS = 999;
/** What a wallet of a test's own begins with, IO. */
const FUNDS = 5n * 100_000_000n;
const EXAMPLES = join(import.meta.dirname, '../../examples/wasm');
/** What the example gives for this input, anywhere (`crates/engines/tests/wasm.rs`). */
const OPTION =
  '{"kind":"asian-put","spot":100,"strike":101,"rate":0.01,"volatility":0.25,"years":0.5,"steps":6,"pairs":1000,"seed":7}';
const PRICED = '{"price":5.077858291530366,"standard_error":0.09468681484215506,"paths":2000}\n';

const fresh = sessions();

/** A page with a wallet that only this test uses. */
async function own(sol?: string) {
  const wallet = await funded('5', sol);
  const session = await fresh({ keyfile: wallet.keyfile });
  await session.page.goto('/cloud');
  await connect(session.page);
  return { ...session, wallet: wallet.address };
}

/** Transactions that the page sends from now on. */
function sentBy(page: Page): string[] {
  const sent: string[] = [];
  page.on('request', (request) => {
    if (request.postData()?.includes('"sendTransaction"')) sent.push(request.url());
  });
  return sent;
}

/** Keeps requests of these addresses waiting. Returns what lets them go on. */
async function gate(context: BrowserContext, of: (url: URL) => boolean): Promise<() => Promise<void>> {
  const waiting: Route[] = [];
  let open = false;
  await context.route(of, async (route) => {
    if (open) return route.fallback();
    waiting.push(route);
  });
  return async () => {
    open = true;
    await Promise.all(waiting.splice(0).map((route) => route.fallback()));
  };
}

const isPart = (url: URL) => url.pathname.startsWith('/v1/blobs/') && url.searchParams.has('offset');
const isQuote = (url: URL) => url.pathname === '/v1/quote';

describe('a renter', () => {
  it('connects, pays once, sees the job settle, and verifies the result', async () => {
    const { page, complaints } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, PASSAGES.join('\n'));
    await page.getByText('Nothing here is private').waitFor();
    const most = await mostOf(page);
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
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
    // No more was escrowed than was shown, and what was not paid came back to the base unit.
    const { escrow, paid, fees, refunded } = await jobAt(job);
    expect(escrow).toBe(most);
    expect(paid).toBeGreaterThan(0n);
    expect(paid + fees + refunded).toBe(escrow);
    expect(complaints.all).toEqual([]);
  });

  it('runs a module, and gets the bits that it gives anywhere', async () => {
    const { page, complaints } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await page.goto('/cloud/new?engine=wasm');
    await page.getByLabel('Module', { exact: true }).setInputFiles(join(EXAMPLES, 'option-pricer.wasm'));
    await page
      .getByLabel('Input', { exact: true })
      .setInputFiles({ name: 'option.json', mimeType: 'application/json', buffer: Buffer.from(OPTION) });
    // A field may be empty while it is typed in; until it says something there is nothing to pay for.
    const fuel = page.getByLabel('Most fuel');
    await fuel.fill('');
    await page.getByRole('alert').getByText('a whole number from 1').waitFor();
    expect(await fuel.inputValue()).toBe('');
    expect(await page.getByTestId('submit').count()).toBe(0);
    await fuel.fill('10000000');
    // A long run has to fit into the deadline.
    await page.getByLabel('Longest run').fill('86400');
    await page.getByRole('alert').getByText('choose a later one').waitFor();
    expect(await page.getByTestId('submit').isDisabled()).toBe(true);
    await page.getByLabel('Longest run').fill('60');
    await page.getByText('at most 10 million fuel').waitFor();
    const most = await mostOf(page);
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    await page.getByText('✓ settlement adds up').waitFor();
    const row = page.getByRole('listitem').filter({ hasText: 'output.bin' });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      row.getByRole('button', { name: 'Download and verify' }).click(),
    ]);
    expect(readFileSync(await download.path(), 'utf8')).toBe(PRICED);
    const { escrow, units } = await jobAt(job);
    expect([escrow, units]).toEqual([most, 3n]);
    expect(complaints.all).toEqual([]);
  });

  it('cancels a job that waits, gets everything back, submits it again, and closes it', async () => {
    const { page, wallet } = await own();
    expect(await tokensOf(wallet)).toBe(FUNDS);
    // A class that nobody has: the job waits.
    await choose(page, 'one\ntwo', `/cloud/new?class=${NO_CLASS}`);
    await page.getByText('No device takes this now').waitFor();
    await page.getByLabel(/Pay at most/).fill('0.5');
    await page.getByTestId('sol').getByText('SOL').first().waitFor();
    const most = await mostOf(page);
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
    expect((await jobAt(job)).escrow).toBe(most);
    expect(await tokensOf(wallet)).toBe(FUNDS - most);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();
    await page.getByTestId('timeline').getByText('Cancelled').waitFor();
    expect(await jobAt(job)).toMatchObject({ escrow: most, refunded: most, paid: 0n, fees: 0n });
    await expect.poll(() => tokensOf(wallet)).toBe(FUNDS);

    // The same work: nothing is chosen or uploaded.
    await page.getByRole('link', { name: 'Submit again' }).click();
    await page.getByTestId('reading').getByText('2 passages, as in job').waitFor();
    expect(page.url()).toContain(`class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('0.5');
    await page.getByTestId('submit').click();
    const again = await jobOf(page);
    expect(again).not.toBe(job);
    expect((await jobAt(again)).specHash).toEqual((await jobAt(job)).specHash);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();

    // What closing does is said before anything is signed.
    const [before, signed] = [await lamportsOf(wallet), await asked(page)];
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    const question = page.getByRole('region', { name: 'Close the job?' });
    await question.getByText('the chain forgets the job').waitFor();
    await question.getByRole('button', { name: 'Keep it' }).click();
    await question.waitFor({ state: 'detached' });
    expect(await asked(page)).toBe(signed);
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await question.getByRole('button', { name: 'Close it for good' }).click();
    await page.getByRole('heading', { name: 'Closed on chain' }).waitFor({ timeout: 30_000 });
    await expect.poll(() => lamportsOf(wallet)).toBeGreaterThan(before);
    await page.getByRole('link', { name: 'My jobs', exact: true }).click();
    const closed = page.getByRole('table', { name: 'Closed on chain' });
    await closed.getByRole('link', { name: `${again.slice(0, 6)}…${again.slice(-6)}` }).waitFor({ timeout: 30_000 });
    expect(await closed.getByRole('link').count()).toBe(1);
  });

  it('keeps the result and the cost of a job that it closes', async () => {
    const { page, wallet } = await own();
    await choose(page, 'a passage to keep\nand its neighbour');
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await page.getByRole('button', { name: 'Close it for good' }).click();
    await page.getByRole('heading', { name: 'Closed on chain' }).waitFor({ timeout: 30_000 });
    await page.getByText('✓ manifest verified').waitFor();
    const row = page.getByRole('listitem').filter({ hasText: 'embeddings.safetensors' });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      row.getByRole('button', { name: 'Download and verify' }).click(),
    ]);
    expect(shapeOf(await download.path())).toEqual([2, 384]);
    await page.goto('/cloud/jobs');
    await page.getByRole('table', { name: 'Closed on chain' }).getByText(job.slice(0, 6)).waitFor({ timeout: 30_000 });
    const spent = FUNDS - (await tokensOf(wallet));
    expect(spent).toBeGreaterThan(0n);
    const figure = page.getByText('Spent, all time').locator('xpath=..').locator('data').first();
    await expect.poll(() => figure.getAttribute('value')).toBe(spent.toString());
  });

  it('signs what was shown, whatever prices do meanwhile', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, `a passage that is slow to arrive ${Date.now()}`);
    const most = await mostOf(page);
    const goOn = await gate(context, isPart);
    await page.getByTestId('submit').click();
    await page.getByRole('button', { name: 'Stop', exact: true }).waitFor();
    // Everything asks ten times as much.
    await context.route(isQuote, async (route) => {
      const answer = await route.fetch();
      const quote = (await answer.json()) as Record<string, unknown>;
      const dear = ['ask_min', 'ask_median', 'ask_max', 'total'].map((name) => [
        name,
        quote[name] && `${quote[name]}0`,
      ]);
      return route.fulfill({ response: answer, json: { ...quote, ...Object.fromEntries(dear) } });
    });
    await page.waitForResponse((answer) => isQuote(new URL(answer.url())), { timeout: 30_000 });
    for (const field of [
      page.getByLabel('Passages', { exact: true }),
      page.getByLabel(/Pay at most/),
      page.getByLabel('Pay in'),
    ])
      expect(await field.isDisabled()).toBe(true);
    expect(await mostOf(page)).toBe(most);
    await goOn();
    const job = await jobOf(page);
    expect((await jobAt(job)).escrow).toBe(most);
  });

  it('pays for nothing by another token’s price', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, 'one passage');
    const inIo = await page.getByTestId('most').locator('strong').textContent();
    const goOn = await gate(context, isQuote);
    const mint = page.getByLabel('Pay in');
    const other = await mint.locator('option').filter({ hasNotText: /^IO$/ }).first().getAttribute('value');
    await mint.selectOption(other);
    await page.getByTestId('most').waitFor({ state: 'detached' });
    expect(await page.getByTestId('submit').isDisabled()).toBe(true);
    await goOn();
    await page.getByTestId('most').waitFor();
    expect(await page.getByTestId('most').locator('strong').textContent()).not.toBe(inIo);
    await expect.poll(() => page.getByTestId('submit').isEnabled()).toBe(true);
  });

  it('is told that a limit is below what any device asks', async () => {
    const { page } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, 'one passage', '/cloud/new?price=1');
    await page.getByText('No device asks so little').waitFor();
    await page.getByText('none asks so little').waitFor();
    const button = page.getByTestId('submit');
    expect(await button.isDisabled()).toBe(true);
    await page.getByLabel('Let it wait for a cheaper device').check();
    await expect.poll(() => button.isEnabled()).toBe(true);
    await page.getByRole('button', { name: 'Pay what devices ask' }).click();
    await page.getByText('No device asks so little').waitFor({ state: 'detached' });
    await page.getByText('can take it now').waitFor();
    expect(page.url()).not.toContain('price');
    await expect.poll(() => button.isEnabled()).toBe(true);
  });

  it('uploads nothing without the SOL that the job takes', async () => {
    const { page } = await own('0');
    await choose(page, 'one passage');
    await page.getByText('too little for the rent and the fee').waitFor();
    expect(await page.getByTestId('submit').isDisabled()).toBe(true);
  });

  it('is asked before a dispute, which says what it does', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    const job = await submit(page, 'a passage that nobody doubts');
    await page.getByTestId('state').getByText('settled').waitFor({ timeout: SETTLED_MS });
    // Oracles settle faster than anybody disputes: this page alone is told that they have not yet.
    await bend<{ value: { data: [string, string] } | null }>(context, 'getAccountInfo', (result, [at]) => {
      if (at !== job || !result.value) return result;
      const read = getJobDecoder().decode(getBase64Encoder().encode(result.value.data[0]));
      const bytes = getJobEncoder().encode({ ...read, state: 3, challengeUntil: 2n ** 32n });
      return { ...result, value: { ...result.value, data: [getBase64Decoder().decode(bytes), 'base64'] } };
    });
    await page.goto(`/cloud/jobs/${job}`);
    await page.getByTestId('state').getByText('submitted').waitFor();
    const button = page.getByRole('button', { name: 'Dispute the result' });
    const question = page.getByRole('region', { name: 'Dispute the result?' });
    await button.click();
    await question.getByText('Every oracle then runs the work again').waitFor();
    await question.getByRole('button', { name: 'Let it settle' }).click();
    await question.waitFor({ state: 'detached' });
    await button.click();
    await question.getByRole('button', { name: 'Dispute it' }).click();
    // The chain knows better, and is asked before the wallet.
    await page.getByRole('alert').getByText('the program refused it').waitFor();
    expect(await asked(page)).toBe(0);
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

  it('is told which filters exclude everything together, and shares a verification', async () => {
    const { page } = await fresh({ wallet: false });
    await page.goto('/cloud?memory=99999999&region=AQ');
    await page.getByText('Without “memory” and “region” together 2').waitFor();
    await page.getByRole('button', { name: 'Clear filters' }).click();
    await expect.poll(() => page.getByRole('table').getByRole('row').count()).toBe(3);
    await page.getByLabel('Verified', { exact: true }).selectOption('metered');
    await page.getByText('whether its results are right, nobody checks').waitFor();
    expect(page.url()).toContain('verification=metered');
    await page.reload();
    await expect.poll(() => page.getByLabel('Work', { exact: true }).inputValue()).toBe('lease');
    await page.getByRole('button', { name: 'Clear filters' }).waitFor();
  });

  it('sees what a class’s hour costs by the network’s guide beside what devices ask', async () => {
    const { page } = await fresh({ wallet: false });
    await page.goto('/cloud?engine=lease');
    // A lease's ask is 1 IO for 1,000 s: 3.6 IO an hour.
    const cells = page.getByRole('table', { name: 'Offers' }).locator('tbody tr').first().getByRole('cell');
    await expect.poll(() => cells.nth(3).textContent()).toBe('3.6 IO');
    const guide = (floor: string, price: string, ceiling: string) =>
      io(
        'admin',
        'network',
        'update-class',
        '0',
        '--price-floor',
        floor,
        '--price-ceiling',
        ceiling,
        '--reference-price',
        price,
      );
    // One that no epoch's step moves meanwhile. It comes by itself, from the chain.
    await guide('3', '3', '3');
    await expect.poll(() => cells.nth(4).textContent(), { timeout: 30_000 }).toBe('3 IO +20 %');
    // Between its bounds it is the reference that is shown, wherever a step has moved it.
    await guide('1', '3', '10');
    const reference = async () => {
      const { classes } = await io<{ classes: { reference_price: number }[] }>('admin', 'network', 'show');
      return Number(classes[0]?.reference_price) / 1e8;
    };
    await expect
      .poll(async () => (await cells.nth(4).textContent())?.startsWith(`${await reference()} IO`), { timeout: 30_000 })
      .toBe(true);
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
    ['forge', 'the wallet’s signature is not valid'],
  ] as const)('%s: nothing is sent, and the reason is said', async (mood, words) => {
    const { page } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, 'one passage');
    const sent = sentBy(page);
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
    const sent = sentBy(page);
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

  it('hold: what it signs after the page was left is not sent', async () => {
    const { page, wallet } = await own();
    await choose(page, 'a passage that is given up', `/cloud/new?class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('0.5');
    const sent = sentBy(page);
    await setMood(page, 'hold');
    await page.getByTestId('submit').click();
    await page.getByText('Sign it in your wallet').waitFor();
    await page.getByRole('link', { name: 'My jobs', exact: true }).click();
    await page.getByText('No jobs yet').waitFor();
    await release(page);
    await setMood(page, 'sign');
    // Nor does it get in the way of the next one, which is all that is paid for.
    await page.getByRole('navigation', { name: 'Cloud' }).getByRole('link', { name: 'New job' }).click();
    await page.getByLabel('Passages').waitFor();
    expect(sent).toEqual([]);
    await choose(page, 'another passage', `/cloud/new?class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('0.5');
    const most = await mostOf(page);
    await page.getByTestId('submit').click();
    await jobOf(page);
    expect(await tokensOf(wallet)).toBe(FUNDS - most);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();
  });
});

describe('a chain that can not be trusted', () => {
  it('is never signed for when it is another than the oracle’s', async () => {
    const { page, context } = await fresh();
    await page.goto('/cloud');
    await connect(page);
    await choose(page, 'one passage');
    await bend<string>(context, 'getGenesisHash', () => '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY');
    const parts: string[] = [];
    page.on('request', (request) => {
      if (isPart(new URL(request.url()))) parts.push(request.url());
    });
    await page.getByTestId('submit').click();
    await page.getByRole('alert').getByText('the RPC serves the chain').waitFor();
    expect([await asked(page), parts]).toEqual([0, []]);
  });

  it('that does not say what became of a job makes no second one', async () => {
    const { page, context, wallet } = await own();
    await choose(page, 'a passage that is paid for once', `/cloud/new?class=${NO_CLASS}`);
    await page.getByLabel(/Pay at most/).fill('0.5');
    const most = await mostOf(page);
    // Nodes that lag: they know nothing of it, and its time is over.
    const ends = await Promise.all([
      bend<{ context: { slot: number }; value: unknown[] }>(context, 'getSignatureStatuses', (result) => ({
        ...result,
        context: { ...result.context, slot: 0 },
        value: [null],
      })),
      bend<number>(context, 'getBlockHeight', (height) => height + 1_000_000),
    ]);
    await page.getByTestId('submit').click();
    const alert = page.getByRole('alert').filter({ hasText: 'nobody can say whether the chain took' });
    await alert.getByText('Look at My jobs first').waitFor({ timeout: 60_000 });
    await page.getByRole('link', { name: 'Look at My jobs' }).waitFor();
    for (const end of ends) await end();
    // It had landed: trying again finds it.
    await page.getByTestId('submit').click();
    const job = await jobOf(page);
    expect(await asked(page), 'nothing more was signed').toBe(1);
    expect((await jobAt(job)).escrow).toBe(most);
    expect(await tokensOf(wallet)).toBe(FUNDS - most);
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByTestId('state').getByText('cancelled').waitFor();
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
