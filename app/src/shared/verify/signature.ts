import { ed25519 } from '@noble/curves/ed25519.js';

/** Whether `signature` is `key`'s Ed25519 signature over `message`, by RFC 8032's strict rules (as the chain checks it). */
export function verifySignature(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64) return false;
  try {
    return ed25519.verify(signature, message, key, { zip215: false });
  } catch {
    return false;
  }
}
