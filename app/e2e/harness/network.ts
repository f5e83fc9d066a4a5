/**
 * A network of this run's own: `io up`, with the built app. `IO_BIN` names the program (as `./x test` does), `IO_READY_FILE` a network
 * that runs already.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';

export interface Network {
  app: string;
  rpc_url: string;
  ws_url: string;
  oracles: string[];
  io_mint: string;
  /** The renter's. */
  wallet: string;
  keypair: string;
  provider: string;
  admin: string;
  devices: string[];
  data_dir: string;
  /** What `io -u` takes. */
  context: string;
  processes: Record<string, number>;
}

declare module 'vitest' {
  export interface ProvidedContext {
    network: Network;
  }
}

const READY_MS = 400_000;
const POLL_MS = 200;
const STOP_MS = 40_000;

const read = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Network;

export default async function setup(project: TestProject) {
  const running = process.env.IO_READY_FILE;
  if (running) {
    project.provide('network', read(running));
    return;
  }
  const bin = process.env.IO_BIN;
  if (!bin) throw new Error('IO_BIN is not set: name the io program, or run ./x test');
  const dist = join(import.meta.dirname, '../../dist');
  if (!existsSync(join(dist, 'index.html'))) throw new Error('the app is not built: run npm run build');
  const dir = mkdtempSync(join(tmpdir(), 'io-app-e2e-'));
  const ready = join(dir, 'ready.json');
  const child: ChildProcess = spawn(
    bin,
    ['up', '--data-dir', join(dir, 'net'), '--rpc-port', '0', '--ready-file', ready, '--keep-going'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, IO_APP_DIR: dist },
    },
  );
  let said = '';
  child.stderr?.on('data', (bytes: Buffer) => {
    said = (said + bytes.toString()).slice(-8_000);
  });
  const deadline = Date.now() + READY_MS;
  while (!existsSync(ready)) {
    if (child.exitCode !== null) throw new Error(`io up ended with ${child.exitCode}: ${said}`);
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`io up was not ready in ${READY_MS / 1000} s: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  project.provide('network', read(ready));
  return async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(late);
    rmSync(dir, { recursive: true, force: true });
  };
}
