/** Every page in both themes and four widths: no serious accessibility violation, nothing refused or uncaught, a picture to look at. */
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { getAddressDecoder } from '@solana/kit';
import type { Page } from 'playwright-core';
import { afterAll, describe, expect, inject, it } from 'vitest';
import { closeBrowser, connect, loaded, screenshot, session, violations } from './harness/browser';
import { io, type Who } from './harness/io';

afterAll(closeBrowser);

/** Of pages whose address holds an id: found when it is needed. */
type Path = string | (() => Promise<string>);

/** A settled job of the renter's, made when it is first asked for. */
function pictured(name: string, then: (job: string) => Promise<unknown> = async () => {}): () => Promise<string> {
  let made: Promise<string> | undefined;
  const make = async () => {
    const { data_dir } = inject('network');
    const file = `${data_dir}/${name}.txt`;
    writeFileSync(file, `a passage for the picture of ${name}\n`);
    const { job } = await io<{ job: string }>(
      'renter',
      ...['job', 'submit', 'embed', file, '--max-price', '2', '--wait', '-O', `${data_dir}/${name}`],
    );
    await then(job);
    return job;
  };
  return () => {
    made ??= make();
    return made;
  };
}

const anyJob = pictured('settled');
const closedJob = pictured('closed', (job) => io('renter', 'job', 'close', job));

/** Of a machine that nobody registers. */
const OPERATOR = getAddressDecoder().decode(new Uint8Array(32).fill(7));

const PAGES: [name: string, path: Path, wallet?: Who | false][] = [
  ['home', '/'],
  ['cloud-offers', '/cloud'],
  ['cloud-offers-lease', '/cloud?engine=lease'],
  ['cloud-offers-none', '/cloud?memory=99999999'],
  ['cloud-new', '/cloud/new'],
  ['cloud-new-wasm', '/cloud/new?engine=wasm'],
  ['cloud-new-lease', '/cloud/new?engine=lease'],
  ['cloud-new-again', async () => `/cloud/new?again=${await anyJob()}`],
  ['cloud-job-closed', async () => `/cloud/jobs/${await closedJob()}`],
  ['cloud-jobs', '/cloud/jobs'],
  ['cloud-jobs-no-wallet', '/cloud/jobs', false],
  ['cloud-job', async () => `/cloud/jobs/${await anyJob()}`],
  ['worker-no-wallet', '/worker', false],
  ['worker-no-provider', '/worker'],
  ['worker', '/worker', 'provider'],
  ['worker-stake', '/worker/stake', 'provider'],
  ['worker-rewards', '/worker/rewards', 'provider'],
  ['worker-rewards-genesis', '/worker/rewards', 'admin'],
  ['worker-profit', '/worker/profit', 'provider'],
  ['worker-slashes', '/worker/slashes', 'provider'],
  ['worker-setup', '/worker/setup', 'provider'],
  ['worker-setup-new', `/worker/setup?hardware=${'ab'.repeat(32)}&operator=${OPERATOR}`, 'provider'],
  ['explorer', '/explorer'],
  ['explorer-devices', '/explorer/devices'],
  ['explorer-device', async () => `/explorer/devices/${inject('network').devices[0]}`],
  ['explorer-providers', '/explorer/providers'],
  [
    'explorer-provider',
    async () => {
      const { app, devices } = inject('network');
      const device = (await (await fetch(`${app}/v1/devices/${devices[0]}`)).json()) as { provider: string };
      return `/explorer/providers/${device.provider}`;
    },
  ],
  ['explorer-jobs', '/explorer/jobs'],
  ['explorer-job', async () => `/explorer/jobs/${await anyJob()}`],
  [
    'explorer-transaction',
    async () => {
      const { app } = inject('network');
      const job = (await (await fetch(`${app}/v1/jobs/${await anyJob()}`)).json()) as {
        history: { to: string; signature: string }[];
      };
      return `/explorer/transactions/${job.history.find(({ to }) => to === 'settled')?.signature}`;
    },
  ],
  ['explorer-epochs', '/explorer/epochs'],
  ['explorer-epoch', '/explorer/epochs/1'],
  ['explorer-oracles', '/explorer/oracles'],
  [
    'explorer-oracle',
    async () => {
      const { oracle } = (await (await fetch(`${inject('network').app}/v1/info`)).json()) as { oracle: string };
      return `/explorer/oracles/${oracle}`;
    },
  ],
  ['explorer-search', '/explorer/search?q=nothing'],
  ['nothing', '/nothing/here'],
];

interface Shift {
  value: number;
  hadRecentInput: boolean;
  sources: { node: Node | null; previousRect: DOMRect; currentRect: DOMRect }[];
}

/** In the page: what moved while it was loading, as Cumulative Layout Shift counts it, and what it was. */
function countShifts() {
  const counter = window as unknown as { shifts: number; moved: string[] };
  counter.shifts = 0;
  counter.moved = [];
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries() as unknown as Shift[]) {
      if (hadRecentInput) continue;
      counter.shifts += value;
      const words = sources.map(
        ({ node, previousRect, currentRect }) =>
          `“${node?.textContent?.slice(0, 40)}” ${previousRect.top} → ${currentRect.top}`,
      );
      counter.moved.push(`${value.toFixed(3)}: ${words.join(', ')}`);
    }
  }).observe({ type: 'layout-shift', buffered: true });
}

/** Opens a page, and waits until all of it is there. */
async function open(page: Page, path: string) {
  await page.goto(path);
  await page.getByRole('heading', { level: 1 }).waitFor();
  await loaded(page);
}

/** Fails with what moved. */
async function expectStill(page: Page, what: string) {
  const seen = await page.evaluate(() => {
    const { shifts, moved } = window as unknown as { shifts: number; moved: string[] };
    return { shifts, moved };
  });
  expect(seen.shifts, `${what}: ${seen.moved.join('; ')}`).toBeLessThan(0.1);
}

/** A phone, a tablet, a wide screen. The first pictures are of 1280. */
const WIDTHS = [390, 820, 1920];

describe.each(['light', 'dark'] as const)('%s', (theme) => {
  it.each(PAGES)('%s', async (name, where, wallet = 'renter') => {
    const path = typeof where === 'string' ? where : await where();
    const { page, context, complaints } = await session({ theme, wallet });
    await context.addInitScript(countShifts);
    await page.goto('/');
    if (wallet) await connect(page);
    await open(page, path);
    await screenshot(page, `${name}-${theme}`);
    await expectStill(page, 'nothing jumps');
    expect(await violations(page)).toEqual([]);
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      await screenshot(page, `${name}-${theme}-${width}`);
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(overflow, `the page is wider than ${width}`).toBeLessThanOrEqual(0);
    }
    await page.setViewportSize({ width: 390, height: 844 });
    expect(await violations(page), 'on a phone').toEqual([]);
    // A theme moves nothing: once is enough.
    if (theme === 'light') {
      await open(page, path);
      await expectStill(page, 'nothing jumps on a phone');
    }
    expect(complaints.all).toEqual([]);
    await context.close();
  });
});

it('is used by keyboard', async () => {
  const { page, context } = await session();
  await page.goto('/cloud');
  await page.getByRole('heading', { level: 1 }).waitFor();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  await context.close();
});

/** A way to the oracle that can be cut, streams that are open included. */
async function lineTo(app: string) {
  const { hostname, port } = new URL(app);
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = dial(Number(port), hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  const end = () => {
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      isCut = true;
      end();
    },
    mend() {
      isCut = false;
    },
    close() {
      server.close();
      end();
    },
  };
}

it('says how old its data is while the line is cut, and comes back by itself', async () => {
  const line = await lineTo(inject('network').app);
  const { page, context } = await session({ wallet: false });
  try {
    await page.goto(`${line.origin}/explorer/devices`);
    const freshness = page.getByTestId('freshness');
    await freshness.getByText('Live').waitFor({ timeout: 30_000 });
    // The open stream, not only what is loaded anew.
    line.cut();
    await freshness.getByText('API down').waitFor({ timeout: 30_000 });
    const age = async () => Number(/up to (\d+) s old/.exec((await freshness.textContent()) ?? '')?.[1] ?? 0);
    await expect.poll(age, { timeout: 30_000 }).toBeGreaterThan(4);
    expect(await page.getByRole('table', { name: 'All devices' }).getByRole('row').count()).toBeGreaterThan(1);
    line.mend();
    await freshness.getByText('Live').waitFor({ timeout: 60_000 });
    await expect.poll(age, { timeout: 30_000 }).toBeLessThan(4);
  } finally {
    await context.close();
    line.close();
  }
});

it('is served with a strict policy and caches what never changes', async () => {
  const { app } = inject('network');
  const index = await fetch(app);
  const policy = index.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self';");
  expect(policy).not.toContain('unsafe');
  expect(index.headers.get('cache-control')).toBe('no-cache');
  const script = /src="(\/assets\/[^"]+\.js)"/.exec(await index.text())?.[1];
  const asset = await fetch(`${app}${script}`);
  expect(asset.headers.get('cache-control')).toContain('immutable');
  const foreign = await fetch(`${app}/v1/info`, { headers: { origin: 'https://elsewhere.example' } });
  expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
});

it('shows a page before the app runs, and names at once what the page loads', async () => {
  const { app } = inject('network');
  const text = async (path: string) => (await fetch(`${app}${path}`)).text();
  const named = (page: string) =>
    [...page.matchAll(/rel="modulepreload"[^>]* href="([^"]+)"/g)].map(([, href]) => href);
  for (const [path, title] of [
    ['/', 'An open market'],
    ['/cloud', 'Offers'],
    ['/worker/stake', 'Stake'],
    ['/explorer', 'The network'],
  ] as const) {
    const page = await text(path);
    expect(/<h1[^>]*>([^<]*)/.exec(page)?.[1], path).toContain(title);
    expect(page, path).not.toContain(' style="');
    for (const href of named(page)) expect((await fetch(`${app}${href}`)).status, href).toBe(200);
    if (path !== '/') expect(named(page).length, path).toBeGreaterThan(1);
  }
  // What an id decides is not known before.
  const job = await text('/cloud/jobs/11111111111111111111111111111111');
  expect(job).not.toContain('<h1');
  expect(named(job)).toEqual(named(await text('/cloud')));
});

/** The beginning of the event stream, as text. */
async function streamHead(app: string, place?: string): Promise<string> {
  const abort = new AbortController();
  const answer = await fetch(`${app}/v1/events`, {
    headers: place === undefined ? {} : { 'last-event-id': place },
    signal: abort.signal,
  });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('event: hello\n') || !text.includes('\n\n')) text += (await reader?.read())?.value ?? '';
  abort.abort();
  return text;
}

it('streams events, and goes on where a reader was', async () => {
  const { app } = inject('network');
  const first = await streamHead(app);
  expect(first).toContain('"resumed":false');
  const place = /^id: (\d+-\d+)$/m.exec(first)?.[1];
  expect(place).toBeDefined();
  expect(await streamHead(app, place)).toContain('"resumed":true');
  expect(await streamHead(app, '1-1')).toContain('"resumed":false');
});
