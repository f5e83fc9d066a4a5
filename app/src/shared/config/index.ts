/**
 * What the app has to know before it can ask anything: `GET /v1/app`. The last answer is kept, so that the chain can be shown while
 * the API is down.
 */
import type { components } from '@/generated/api';

export type AppConfig = components['schemas']['AppConfig'];

const KEY = 'io.config';
const TIMEOUT_MS = 8_000;

let known: AppConfig | null = null;

function remembered(): AppConfig | null {
  try {
    const text = localStorage.getItem(KEY);
    return text ? (JSON.parse(text) as AppConfig) : null;
  } catch {
    return null;
  }
}

/** Loads the configuration once; throws when there is none, not even an old one. */
export async function loadConfig(): Promise<AppConfig> {
  if (known) return known;
  try {
    const answer = await fetch('/v1/app', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
    known = (await answer.json()) as AppConfig;
    localStorage.setItem(KEY, JSON.stringify(known));
  } catch (error) {
    known = remembered();
    if (!known) throw error;
  }
  return known;
}

/** For pages that are made without any network. */
export function assumeConfig(config: AppConfig) {
  known = config;
}

/** The configuration; only after `loadConfig`. */
export function config(): AppConfig {
  if (!known) throw new Error('the configuration is not loaded yet');
  return known;
}

/** Genesis hashes of the public clusters; wallets name chains by these words. */
const CLUSTERS: Record<string, string> = {
  '5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d': 'solana:mainnet',
  EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG: 'solana:devnet',
  '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY': 'solana:testnet',
};

export type Chain = `solana:${string}`;
export function chainName(of: AppConfig): Chain {
  return (CLUSTERS[of.cluster] ?? 'solana:localnet') as Chain;
}
