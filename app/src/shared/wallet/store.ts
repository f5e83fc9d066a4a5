/**
 * Wallets by the wallet standard, without an adapter between: found, connected, their accounts followed. Nothing is stored but the
 * name of the wallet that was used last, so that it is connected again silently, and which of its accounts was.
 */
import {
  SolanaSignMessage,
  type SolanaSignMessageFeature,
  SolanaSignTransaction,
  type SolanaSignTransactionFeature,
} from '@solana/wallet-standard-features';
import { getWallets } from '@wallet-standard/app';
import type { Wallet, WalletAccount, WalletWithFeatures } from '@wallet-standard/base';
import {
  StandardConnect,
  type StandardConnectFeature,
  StandardDisconnect,
  type StandardDisconnectFeature,
  StandardEvents,
  type StandardEventsFeature,
} from '@wallet-standard/features';
import { type Chain, chainName, loadConfig } from '@/shared/config';
import { accountOn, accountsOn } from './accounts';

const LAST = 'io.wallet';
const ACCOUNT = 'io.wallet.account';
/** Wallets announce themselves while the page loads: after so long the one of last time is not waited for. */
const RESTORE_MS = 1_500;
/** A wallet that answers nothing for so long is given up; what it signs later is not sent. */
const PATIENCE_MS = 180_000;

export class WalletFailure extends Error {
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

/** A connected account, and what can be asked of it. */
export interface ConnectedWallet {
  name: string;
  icon: string;
  /** Base58 key. */
  address: string;
  /** The same transaction with the account's signature. */
  signTransaction(transaction: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** An Ed25519 signature over exactly these bytes. */
  signMessage(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

export interface WalletState {
  available: readonly Wallet[];
  connected: ConnectedWallet | null;
  /** Accounts of the connected wallet, to choose another. */
  accounts: readonly string[];
  connecting: string | null;
  /** The wallet of last time may still come back by itself. */
  restoring: boolean;
  error: WalletFailure | null;
}

type SignFeatures = SolanaSignTransactionFeature & Partial<SolanaSignMessageFeature>;
type UsableWallet = WalletWithFeatures<
  SignFeatures & StandardConnectFeature & Partial<StandardDisconnectFeature & StandardEventsFeature>
>;

function remembered(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string | null) {
  try {
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {}
}

let state: WalletState = {
  available: [],
  connected: null,
  accounts: [],
  connecting: null,
  restoring: remembered(LAST) !== null,
  error: null,
};
const listeners = new Set<() => void>();
let wallet: UsableWallet | null = null;
let stopEvents: (() => void) | null = null;
let started = false;

function set(next: Partial<WalletState>) {
  state = { ...state, ...next };
  for (const listener of listeners) listener();
}

export function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const snapshot = () => state;
/** Of a page that is made before anybody opens it: who that is, is not known yet. */
const STILL: WalletState = { ...state, restoring: true };
export const stillSnapshot = () => STILL;

function usable(one: Wallet): one is UsableWallet {
  return SolanaSignTransaction in one.features && StandardConnect in one.features;
}

/** Rejections look different in every wallet. */
function failure(error: unknown, what: string): WalletFailure {
  if (error instanceof WalletFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  if (/reject|denied|declin|cancel/i.test(text)) {
    return new WalletFailure(`you declined ${what} in the wallet`, 'Nothing was sent. Try again when you like.', {
      cause: error,
    });
  }
  return new WalletFailure(`the wallet could not do it: ${text}`, 'Unlock it and try again.', { cause: error });
}

async function patiently<T>(answer: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new WalletFailure('the wallet did not answer', 'Nothing was sent. Open the wallet, and try again.')),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } catch (error) {
    throw failure(error, what);
  } finally {
    clearTimeout(timer);
  }
}

function connectedOf(of: UsableWallet, account: WalletAccount, chain: Chain): ConnectedWallet {
  return {
    name: of.name,
    icon: of.icon,
    address: account.address,
    async signTransaction(transaction) {
      const sign = of.features[SolanaSignTransaction].signTransaction({ account, transaction, chain });
      const [output] = await patiently(sign, 'the transaction');
      if (!output) throw new WalletFailure('the wallet returned no signature', 'Nothing was sent. Try again.');
      return output.signedTransaction;
    },
    async signMessage(message) {
      const feature = of.features[SolanaSignMessage];
      if (!feature) throw new WalletFailure(`${of.name} can not sign messages`, 'Use another wallet.');
      const [output] = await patiently(feature.signMessage({ account, message }), 'the message');
      if (!output) throw new WalletFailure('the wallet returned no signature', 'Try again.');
      return output.signature;
    },
  };
}

function use(account: WalletAccount | undefined, chain: Chain) {
  if (!wallet) return;
  if (account) remember(ACCOUNT, account.address);
  set({
    connected: account ? connectedOf(wallet, account, chain) : null,
    accounts: accountsOn(wallet.accounts, chain).map((one) => one.address),
    connecting: null,
    error: null,
  });
}

export async function connect(name: string, silent = false): Promise<void> {
  const found = state.available.find((one) => one.name === name);
  if (!found || !usable(found)) return;
  if (!silent) set({ connecting: name, error: null });
  try {
    const chain = chainName(await loadConfig());
    const request = found.features[StandardConnect].connect(silent ? { silent: true } : undefined);
    await patiently(request, 'the connection');
    const account = accountOn(found.accounts, chain, remembered(ACCOUNT));
    if (!account) {
      if (silent) return;
      if (found.accounts.length === 0)
        throw new WalletFailure(`${name} shares no account`, 'Choose an account in the wallet.');
      throw new WalletFailure(
        `${name} shares no account of ${chain}`,
        'Change the network in the wallet, and connect again.',
      );
    }
    stopEvents?.();
    wallet = found;
    stopEvents =
      found.features[StandardEvents]?.on('change', () => {
        use(accountOn(found.accounts, chain, state.connected?.address ?? null), chain);
        if (found.accounts.length === 0) forget();
      }) ?? null;
    remember(LAST, name);
    use(account, chain);
  } catch (error) {
    set({ connecting: null, error: silent ? null : failure(error, 'the connection') });
  }
}

export async function choose(address: string): Promise<void> {
  const chain = chainName(await loadConfig());
  const account = accountsOn(wallet?.accounts ?? [], chain).find((one) => one.address === address);
  if (account) use(account, chain);
}

function forget() {
  stopEvents?.();
  stopEvents = null;
  wallet = null;
  remember(LAST, null);
  remember(ACCOUNT, null);
  set({ connected: null, accounts: [], connecting: null });
}

export async function disconnect(): Promise<void> {
  const old = wallet;
  forget();
  await old?.features[StandardDisconnect]?.disconnect().catch(() => undefined);
}

/** Looks for wallets, and connects the last one again if it agrees without asking. */
export function startWallets() {
  if (started) return;
  started = true;
  const wallets = getWallets();
  let last = remembered(LAST);
  if (last) setTimeout(() => set({ restoring: false }), RESTORE_MS);
  const look = () => {
    set({ available: wallets.get().filter(usable) });
    if (last && !state.connected && state.available.some((one) => one.name === last)) {
      const name = last;
      last = null;
      void connect(name, true).finally(() => set({ restoring: false }));
    }
  };
  wallets.on('register', look);
  wallets.on('unregister', look);
  look();
}
