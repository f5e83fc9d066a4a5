/** What the chain says, beside the page; and a page that is told something else. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Address, address, createSolanaRpc, getBase64Encoder } from '@solana/kit';
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import type { BrowserContext, Page, Route } from 'playwright-core';
import { inject } from 'vitest';
import { getJobDecoder, type Job } from '../../src/generated/program';
import { IO, parseAmount } from '../../src/shared/format/amount';
import { io } from './io';

const rpc = () => createSolanaRpc(inject('network').rpc_url);

export async function jobAt(at: string): Promise<Job> {
  const { value } = await rpc().getAccountInfo(address(at), { encoding: 'base64', commitment: 'confirmed' }).send();
  if (!value) throw new Error(`there is no job ${at}`);
  return getJobDecoder().decode(getBase64Encoder().encode(value.data[0]));
}

/** IO that somebody holds, base units. */
export async function tokensOf(owner: string): Promise<bigint> {
  const [account] = await findAssociatedTokenPda({
    owner: owner as Address,
    mint: address(inject('network').io_mint),
    tokenProgram: TOKEN_PROGRAM_ADDRESS,
  });
  const { value } = await rpc().getTokenAccountBalance(account, { commitment: 'confirmed' }).send();
  return BigInt(value.amount);
}

export async function lamportsOf(owner: string): Promise<bigint> {
  return (
    await rpc()
      .getBalance(owner as Address, { commitment: 'confirmed' })
      .send()
  ).value;
}

/** A wallet of a test's own: nobody else's jobs change what it holds. */
export async function funded(tokens: string, sol = '1'): Promise<{ address: string; keyfile: string }> {
  const keyfile = join(inject('network').data_dir, `wallet-${randomUUID()}.json`);
  const made = await io<{ address: string }>('renter', 'keygen', keyfile);
  await io('renter', 'airdrop', sol, '--to', made.address, '--io', tokens);
  return { address: made.address, keyfile };
}

/** The most that the page says a job can cost. */
export async function mostOf(page: Page): Promise<bigint> {
  const text = (await page.getByTestId('most').locator('strong').textContent()) ?? '';
  return parseAmount(text.replace(' IO', '').replaceAll(',', ''), IO);
}

/** Changes what the chain's node answers to a method, as pages see it. Returns what ends that. */
export async function bend<R>(
  context: BrowserContext,
  method: string,
  change: (result: R, params: readonly unknown[]) => R,
): Promise<() => Promise<void>> {
  const { rpc_url } = inject('network');
  const isNode = (url: URL) => url.origin === rpc_url;
  const handler = async (route: Route) => {
    const asked = route.request().postDataJSON() as { method?: string; params?: unknown[] } | null;
    if (asked?.method !== method) return route.fallback();
    const answer = await route.fetch();
    const body = (await answer.json()) as { result: R };
    return route.fulfill({ response: answer, json: { ...body, result: change(body.result, asked.params ?? []) } });
  };
  await context.route(isNode, handler);
  return () => context.unroute(isNode, handler);
}
