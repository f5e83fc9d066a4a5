/** Whether the chain that is read, the oracle that serves this app, and the app are of one network. */
import { config } from '@/shared/config';
import { shorten } from '@/shared/format';
import { PROGRAM } from './accounts';
import { SendFailure } from './errors';
import { rpc } from './rpc';

async function check(): Promise<void> {
  const { program, cluster } = config();
  if (program !== PROGRAM) {
    throw new SendFailure(
      `this oracle is of the program ${shorten(program)}, and this app is made for ${shorten(PROGRAM)}`,
      'Nothing was signed. Its operator has to serve the app of its own program; use another oracle until then.',
    );
  }
  const genesis = await rpc().getGenesisHash().send();
  if (genesis !== cluster) {
    throw new SendFailure(
      `the RPC serves the chain ${shorten(genesis)}, and this oracle is of ${shorten(cluster)}`,
      'Nothing was signed: it would pay on another chain. Its operator has to correct `app_rpc_url`; use another oracle until then.',
    );
  }
}

let checked: Promise<void> | null = null;

/** Refuses to go on where they differ: nothing may be signed. Asked once; again after a failure. */
export function requireDeployment(): Promise<void> {
  checked ??= check().catch((error) => {
    checked = null;
    throw error;
  });
  return checked;
}
