import { createSolanaRpc } from '@solana/kit';
import { config } from '@/shared/config';

/** The chain can not be read, and why. */
export class ChainFailure extends Error {
  readonly hint: string;
  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
  }
}

type Rpc = ReturnType<typeof createSolanaRpc>;
let client: Rpc | null = null;

export function rpc(): Rpc {
  const url = config().rpc_url;
  if (!url) throw new ChainFailure('this oracle names no RPC for browsers', 'Its operator sets `app_rpc_url`.');
  client ??= createSolanaRpc(url as `http${string}`);
  return client;
}
