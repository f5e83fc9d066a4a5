/**
 * A key of this browser's own for uploads, so that the wallet is asked once, for the payment. Uploads need some key, not the
 * renter's: who may read or pay for what is decided on chain. The secret can not be read by any script and never leaves.
 */
import { getBase58Decoder } from '@solana/kit';
import type { RequestSigner } from './auth';

const DATABASE = 'io';
const STORE = 'keys';
const NAME = 'uploads';

function request<T>(of: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    of.onsuccess = () => resolve(of.result);
    of.onerror = () => reject(of.error);
  });
}

async function open(): Promise<IDBDatabase> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return request(opening);
}

let signer: Promise<RequestSigner> | null = null;

async function load(): Promise<RequestSigner> {
  let pair: CryptoKeyPair | undefined;
  try {
    const database = await open();
    pair = await request<CryptoKeyPair | undefined>(database.transaction(STORE).objectStore(STORE).get(NAME));
    if (!pair) {
      const made = (await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair;
      const store = database.transaction(STORE, 'readwrite').objectStore(STORE);
      // Another tab may have been first: its key is taken, so that both resume each other's uploads.
      pair = (await request<CryptoKeyPair | undefined>(store.get(NAME))) ?? made;
      await request(store.put(pair, NAME));
    }
    database.close();
  } catch {
    // A private window may keep nothing: the key then lasts as long as the page.
    pair = (await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair;
  }
  const { privateKey, publicKey } = pair;
  const key = getBase58Decoder().decode(new Uint8Array(await crypto.subtle.exportKey('raw', publicKey)));
  return {
    key,
    sign: async (message) => new Uint8Array(await crypto.subtle.sign('Ed25519', privateKey, message)),
  };
}

export function sessionSigner(): Promise<RequestSigner> {
  signer ??= load().catch((error) => {
    signer = null;
    throw new Error(`this browser can not sign uploads (${error.message}): use a current one over https`);
  });
  return signer;
}
