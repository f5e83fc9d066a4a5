/** A wallet-standard wallet with a key of the test's, put into the page before the app runs. It is in no bundle. */
import { readFileSync } from 'node:fs';
import { getBase58Decoder } from '@solana/kit';
import type { BrowserContext, Page } from 'playwright-core';

export type Mood = 'sign' | 'reject' | 'hold' | 'alter' | 'forge';

interface Given {
  name: string;
  address: string;
  /** PKCS #8 of the Ed25519 key. */
  pkcs8: number[];
  publicKey: number[];
}

const PKCS8_ED25519 = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

export async function giveWallet(context: BrowserContext, keypairFile: string) {
  const bytes = JSON.parse(readFileSync(keypairFile, 'utf8')) as number[];
  const given: Given = {
    name: 'Test wallet',
    address: getBase58Decoder().decode(Uint8Array.from(bytes.slice(32))),
    pkcs8: [...PKCS8_ED25519, ...bytes.slice(0, 32)],
    publicKey: bytes.slice(32),
  };
  await context.addInitScript(inPage, given);
}

export async function setMood(page: Page, mood: Mood) {
  await page.evaluate((next) => {
    (window as unknown as { testWallet: { mood: string } }).testWallet.mood = next;
  }, mood);
}

/** Lets a wallet that holds its answers give them. */
export async function release(page: Page) {
  await page.evaluate(() => (window as unknown as { testWallet: { release(): void } }).testWallet.release());
}

/** How often the wallet was asked for a signature. */
export function asked(page: Page): Promise<number> {
  return page.evaluate(() => (window as unknown as { testWallet: { asked: number } }).testWallet.asked);
}

function inPage(given: Given) {
  const held: (() => void)[] = [];
  const control = {
    mood: 'sign',
    asked: 0,
    release: () => {
      for (const answer of held.splice(0)) answer();
    },
  };
  (window as unknown as { testWallet: typeof control }).testWallet = control;
  const key = crypto.subtle.importKey('pkcs8', new Uint8Array(given.pkcs8), 'Ed25519', false, ['sign']);
  const sign = async (message: Uint8Array<ArrayBuffer>) =>
    new Uint8Array(await crypto.subtle.sign('Ed25519', await key, message));
  const chains = ['solana:localnet', 'solana:mainnet'];
  const account = {
    address: given.address,
    publicKey: new Uint8Array(given.publicKey),
    chains,
    features: ['solana:signTransaction', 'solana:signMessage'],
  };
  const listeners = new Set<(change: unknown) => void>();
  let accounts: unknown[] = [];
  const decide = async () => {
    control.asked += 1;
    if (control.mood === 'reject') throw new Error('User rejected the request.');
    if (control.mood === 'hold') await new Promise<void>((resolve) => held.push(resolve));
  };
  const wallet = {
    version: '1.0.0',
    name: given.name,
    icon: 'data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciLz4=',
    chains,
    get accounts() {
      return accounts;
    },
    features: {
      'standard:connect': {
        version: '1.0.0',
        connect: async () => {
          accounts = [account];
          return { accounts };
        },
      },
      'standard:disconnect': {
        version: '1.0.0',
        disconnect: async () => {
          accounts = [];
        },
      },
      'standard:events': {
        version: '1.0.0',
        on: (_: string, listener: (change: unknown) => void) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      'solana:signTransaction': {
        version: '1.0.0',
        supportedTransactionVersions: ['legacy', 0],
        signTransaction: async ({ transaction }: { transaction: Uint8Array }) => {
          await decide();
          // One signature's place, then the message.
          const signed = Uint8Array.from(transaction);
          if (control.mood === 'alter') signed[signed.length - 1] = (signed.at(-1) ?? 0) ^ 1;
          signed.set(await sign(signed.slice(65)), 1);
          if (control.mood === 'forge') signed[1] = (signed[1] ?? 0) ^ 1;
          return [{ signedTransaction: signed }];
        },
      },
      'solana:signMessage': {
        version: '1.0.0',
        signMessage: async ({ message }: { message: Uint8Array }) => {
          await decide();
          return [{ signedMessage: message, signature: await sign(Uint8Array.from(message)) }];
        },
      },
    },
  };
  const register = (api: { register(wallet: unknown): void }) => api.register(wallet);
  window.addEventListener('wallet-standard:app-ready', (event) => register((event as CustomEvent).detail));
  window.dispatchEvent(new CustomEvent('wallet-standard:register-wallet', { detail: register }));
}
