/** Sessions of a test file, closed after each test. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach } from 'vitest';
import { closeBrowser, type Session, session } from './browser';

/** Longest way of a small job from its creation to its settlement. */
export const SETTLED_MS = 120_000;

/** Opens sessions that are closed by themselves. */
export function sessions() {
  let open: Session[] = [];
  afterEach(async () => {
    for (const { context } of open) await context.close();
    open = [];
  });
  afterAll(closeBrowser);
  return async (options?: Parameters<typeof session>[0]) => {
    const one = await session(options);
    open.push(one);
    return one;
  };
}

export async function choose(page: Page, text: string | Buffer, path = '/cloud/new') {
  await page.goto(path);
  await page
    .getByLabel('Passages')
    .setInputFiles({ name: 'passages.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
}

/** A job of these passages, paid for and created. */
export async function submit(page: Page, text: string): Promise<string> {
  await choose(page, text);
  await page.getByTestId('submit').click();
  return jobOf(page);
}

/** The job whose page is shown next. */
export async function jobOf(page: Page): Promise<string> {
  await page.waitForURL(/\/cloud\/jobs\/[1-9A-HJ-NP-Za-km-z]{32,44}$/);
  return page.url().split('/').at(-1) ?? '';
}

/** The shape of the tensor `embeddings` in a safetensors file. */
export function shapeOf(path: string): number[] {
  const bytes = readFileSync(path);
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  return header.embeddings.shape;
}
