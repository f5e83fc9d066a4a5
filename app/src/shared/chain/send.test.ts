import { ed25519 } from '@noble/curves/ed25519.js';
import {
  AccountRole,
  address,
  getAddressDecoder,
  getTransactionDecoder,
  getTransactionEncoder,
  type SignatureBytes,
} from '@solana/kit';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type { ConnectedWallet } from '@/shared/wallet';
import { NOBODY, PROGRAM } from './accounts';
import type { SendFailure } from './errors';
import type { send as Send, Step } from './send';

const SECRET = new Uint8Array(32).fill(1);
const payer = getAddressDecoder().decode(ed25519.getPublicKey(SECRET));
const CHAIN = '4uhcVJyU9pJkvQyS88uRDiswHXSCkY3zQawwpjk2NsNY';
const LAST_HEIGHT = 100n;

type Status = { err: unknown; confirmationStatus: string } | null;
const CONFIRMED: Status = { err: null, confirmationStatus: 'confirmed' };

/** What the node answers; each test changes what it is about. */
const node = {
  genesis: CHAIN,
  height: 1n,
  epochHeight: 200n,
  slot: 1_000n,
  logs: [] as string[],
  simulated: null as unknown,
  status: (_history: boolean): { slot: bigint; status: Status } => ({ slot: 1_000n, status: CONFIRMED }),
  sent: 0,
};
const usual = { ...node };

const answer = (make: () => unknown) => ({ send: async () => make() });
vi.mock('./rpc', () => ({
  rpc: () => ({
    getGenesisHash: () => answer(() => node.genesis),
    getLatestBlockhash: () => answer(() => ({ value: { blockhash: NOBODY, lastValidBlockHeight: LAST_HEIGHT } })),
    getRecentPrioritizationFees: () => answer(() => []),
    simulateTransaction: () =>
      answer(() => ({ value: { err: node.simulated, logs: node.logs, unitsConsumed: 1_000n } })),
    sendTransaction: () => answer(() => (node.sent += 1)),
    getBlockHeight: () => answer(() => node.height),
    getEpochInfo: () => answer(() => ({ absoluteSlot: node.slot, blockHeight: node.epochHeight })),
    getSignatureStatuses: (_: unknown, { searchTransactionHistory }: { searchTransactionHistory: boolean }) =>
      answer(() => {
        const { slot, status } = node.status(searchTransactionHistory);
        return { context: { slot }, value: [status] };
      }),
  }),
}));

const sign = vi.fn();
const wallet = { address: payer, signTransaction: sign } as unknown as ConnectedWallet;
const instruction = {
  programAddress: PROGRAM,
  accounts: [{ address: address(NOBODY), role: AccountRole.WRITABLE }],
  data: Uint8Array.of(1),
};

function signed(transaction: Uint8Array, secret = SECRET): Uint8Array {
  const decoded = getTransactionDecoder().decode(transaction);
  const signature = ed25519.sign(Uint8Array.from(decoded.messageBytes), secret) as SignatureBytes;
  return Uint8Array.from(getTransactionEncoder().encode({ ...decoded, signatures: { [payer]: signature } }));
}

const oracleOf = async (program: string) =>
  (await import('@/shared/config')).assumeConfig({
    cluster: CHAIN,
    program,
    io_mint: '',
    oracle: '',
    peers: [],
    local: false,
  });

let send: typeof Send;
/** Sends, with all pauses gone through, and returns what came of it. */
async function outcome(steps: Step[] = []): Promise<SendFailure | null> {
  const going = send(wallet, [instruction], { onStep: (step) => steps.push(step) }).then(
    () => null,
    (error) => error as SendFailure,
  );
  await vi.runAllTimersAsync();
  return going;
}

beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  ({ send } = await import('./send'));
  await oracleOf(PROGRAM);
  Object.assign(node, usual);
  sign.mockReset();
  sign.mockImplementation(async (transaction: Uint8Array) => signed(transaction));
});

describe('a transaction', () => {
  it('is sent and confirmed', async () => {
    const steps: Step[] = [];
    expect(await outcome(steps)).toBeNull();
    expect(steps).toEqual(['preparing', 'signing', 'sending', 'confirmed']);
    expect(node.sent).toBe(1);
  });
  it('that fails on the chain is explained', async () => {
    node.status = () => ({ slot: 1_000n, status: { err: 'AlreadyProcessed', confirmationStatus: 'confirmed' } });
    expect((await outcome())?.message).toContain('has been sent before');
  });
  it('that landed just before its time was over is done', async () => {
    node.height = LAST_HEIGHT + 1n;
    node.status = (history) => ({ slot: 1_000n, status: history ? CONFIRMED : null });
    expect(await outcome()).toBeNull();
  });
  it('is denied by nobody but a node that is far enough', async () => {
    node.height = LAST_HEIGHT + 1n;
    let looks = 0;
    node.status = (history) => {
      if (history) looks += 1;
      return { slot: looks < 4 ? 999n : 1_000n, status: null };
    };
    const failure = await outcome();
    expect(failure?.hint).toContain('nothing was paid');
    expect(failure?.mayHaveLanded).toBe(false);
    expect(looks, 'nodes that lag were asked on').toBe(4);
  });
  it.each([
    ['every node lags', () => ({ slot: 999n, status: null })],
    [
      'it was processed and not confirmed',
      () => ({ slot: 1_000n, status: { err: null, confirmationStatus: 'processed' } }),
    ],
    [
      'the RPC is away',
      () => {
        throw new Error('away');
      },
    ],
  ] as [string, typeof node.status][])('may have landed where %s', async (_, status) => {
    node.height = LAST_HEIGHT + 1n;
    node.status = status;
    const failure = await outcome();
    expect(failure?.mayHaveLanded).toBe(true);
    expect(`${failure?.message} ${failure?.hint}`).not.toContain('nothing was paid');
  });
  it('may have landed where the node does not know that its time is over', async () => {
    node.height = LAST_HEIGHT + 1n;
    node.epochHeight = LAST_HEIGHT;
    node.status = () => ({ slot: 1_000n, status: null });
    expect((await outcome())?.mayHaveLanded).toBe(true);
  });
  it('may have landed on a chain that stands still', async () => {
    node.status = () => ({ slot: 1_000n, status: null });
    expect((await outcome())?.mayHaveLanded).toBe(true);
    expect(node.sent, 'it is sent again until then').toBeGreaterThan(50);
  });
  it('that makes what there is already may be an earlier one’s', async () => {
    node.simulated = { InstructionError: [2, { Custom: 0 }] };
    node.logs = ['Allocate: account Address { address: x } already in use'];
    const failure = await outcome();
    expect(failure?.message).toContain('there already');
    expect(failure?.mayHaveLanded).toBe(true);
    expect(sign).not.toHaveBeenCalled();
  });
});

describe('a wallet', () => {
  const refused = async (words: string) => {
    const failure = await outcome();
    expect(failure?.message).toContain(words);
    expect(failure?.mayHaveLanded).toBe(false);
    expect(node.sent, 'nothing was sent').toBe(0);
  };
  it('whose signature over the unchanged bytes is another key’s is refused', async () => {
    sign.mockImplementation(async (bytes: Uint8Array) => signed(bytes, new Uint8Array(32).fill(2)));
    await refused('signature is not valid');
  });
  it('that signs nothing is refused', async () => {
    sign.mockImplementation(async (bytes: Uint8Array) => bytes);
    await refused('signature is not valid');
  });
  it('that changes a byte and signs that is refused', async () => {
    sign.mockImplementation(async (bytes: Uint8Array) => signed(bytes.with(bytes.length - 2, (bytes.at(-2) ?? 0) ^ 1)));
    await refused('the wallet changed the transaction');
  });
});

describe('nothing is signed', () => {
  it('on another chain than the oracle’s', async () => {
    node.genesis = NOBODY;
    expect((await outcome())?.message).toContain('the RPC serves the chain');
    expect(sign).not.toHaveBeenCalled();
    // What was corrected meanwhile is asked for anew.
    node.genesis = CHAIN;
    expect(await outcome()).toBeNull();
  });
  it('for another program than the app’s', async () => {
    await oracleOf(NOBODY);
    expect((await outcome())?.message).toContain('this oracle is of the program');
    expect(sign).not.toHaveBeenCalled();
  });
});
