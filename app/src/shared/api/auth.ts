/** Signed requests: the `x-io-auth` header, as `crates/api/src/auth.rs` has it. */
import { getBase58Decoder } from '@solana/kit';
import { config } from '@/shared/config';
import { blake3Bytes, keyBytes, requestBytes } from '@/shared/verify';

export interface RequestSigner {
  /** Base58 key that signs. */
  key: string;
  /** An Ed25519 signature over exactly these bytes. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
}

/** Unlikely to repeat; below 2⁵³, so that JSON holds it exactly. */
function nonce(): bigint {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2)) as unknown as [number, number];
  return (BigInt(high & 0x1f_ffff) << 32n) | BigInt(low);
}

/** The header's value for a request to the oracle `recipient`. `atMs` is by that oracle's clock. */
export async function authHeader(
  signer: RequestSigner,
  request: {
    recipient: string;
    method: string;
    pathAndQuery: string;
    body: Uint8Array;
    subject?: string;
    atMs: number;
  },
): Promise<string> {
  const { program, cluster } = config();
  const text = new TextEncoder();
  const number = nonce();
  const message = requestBytes({
    deployment: { program: keyBytes(program), cluster: keyBytes(cluster) },
    recipient: keyBytes(request.recipient),
    subject: request.subject ? keyBytes(request.subject) : new Uint8Array(32),
    action: blake3Bytes(text.encode(`${request.method} ${request.pathAndQuery}`)),
    body: blake3Bytes(request.body),
    atMs: BigInt(request.atMs),
    nonce: number,
  });
  const signature = await signer.sign(message);
  const auth = {
    key: signer.key,
    at_ms: request.atMs,
    nonce: Number(number),
    signature: getBase58Decoder().decode(signature),
  };
  return btoa(JSON.stringify(auth));
}
