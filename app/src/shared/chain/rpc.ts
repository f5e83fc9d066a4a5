import { createDefaultRpcTransport, createSolanaRpcFromTransport, type RpcTransport } from '@solana/kit';
import { config } from '@/shared/config';

/** The chain can not be read, and why. */
export class ChainFailure extends Error {
  readonly hint: string;
  /** Nothing answered, or only something that stands in front of the chain: it is no answer of the chain’s. */
  readonly unreachable: boolean;
  constructor(message: string, hint: string, options: ErrorOptions & { unreachable?: boolean } = {}) {
    super(message, options);
    this.hint = hint;
    this.unreachable = options.unreachable ?? false;
  }
}

/** Errors of the way to the chain in words; what the chain itself refuses comes as an answer. */
function inWords(transport: RpcTransport): RpcTransport {
  return async (request) => {
    try {
      return await transport(request);
    } catch (cause) {
      if (request.signal?.aborted) throw cause;
      const status = (cause as { context?: { statusCode?: number } }).context?.statusCode;
      const why = status === undefined ? 'no connection' : status === 429 ? 'too many requests' : `status ${status}`;
      throw new ChainFailure(`the chain can not be reached (${why})`, 'It is tried again by itself.', {
        cause,
        unreachable: true,
      });
    }
  };
}

const connect = (url: string) => createSolanaRpcFromTransport(inWords(createDefaultRpcTransport({ url })));

type Rpc = ReturnType<typeof connect>;
let client: Rpc | null = null;

export function rpc(): Rpc {
  const url = config().rpc_url;
  if (!url) throw new ChainFailure('this oracle names no RPC for browsers', 'Its operator sets `app_rpc_url`.');
  client ??= connect(url);
  return client;
}
