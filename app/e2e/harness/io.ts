/** The `io` command on the network of the tests, for what is not the app's to do. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { inject } from 'vitest';

export type Who = 'renter' | 'provider' | 'admin';

/** The key file of a wallet that the network was started with. */
export const keyOf = (who: Who) => join(inject('network').data_dir, 'keys', `${who}.json`);

const TIMEOUT_MS = 120_000;

/** Runs it as somebody, and returns what it printed as JSON. */
export async function io<T = Record<string, unknown>>(who: Who, ...args: string[]): Promise<T> {
  const bin = process.env.IO_BIN;
  if (!bin) throw new Error('IO_BIN is not set: name the io program');
  const all = ['-u', inject('network').context, '-k', keyOf(who), '-o', 'json', '--yes', ...args];
  const { stdout } = await promisify(execFile)(bin, all, { timeout: TIMEOUT_MS, maxBuffer: 64 << 20 });
  return JSON.parse(stdout) as T;
}
