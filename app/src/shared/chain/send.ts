/**
 * Sending a transaction that lands: fresh blockhash, simulation, compute limit from it, priority fee from recent ones, the wallet's
 * signature checked against what was asked, sent again until it is confirmed or can not land any more.
 */
import {
  type Address,
  appendTransactionMessageInstructions,
  type Base64EncodedWireTransaction,
  type Blockhash,
  compileTransaction,
  createNoopSigner,
  createTransactionMessage,
  getBase58Decoder,
  getBase64Decoder,
  getTransactionDecoder,
  getTransactionEncoder,
  type Instruction,
  pipe,
  prependTransactionMessageInstructions,
  type Signature,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
} from '@solana/kit';
import { getSetComputeUnitLimitInstruction, getSetComputeUnitPriceInstruction } from '@solana-program/compute-budget';
import { sameBytes } from '@/shared/format';
import { keyBytes, verifySignature } from '@/shared/verify';
import type { ConnectedWallet } from '@/shared/wallet';
import { requireDeployment } from './deployment';
import { explain, SendFailure, unsure } from './errors';
import { rpc } from './rpc';

/** Most units of a transaction, and what is added to the simulation's count. */
const MAX_UNITS = 1_400_000;
const UNITS_MARGIN = 1.15;
/** Priority fees above this are not paid, micro-lamports a unit. */
const MAX_PRICE = 1_000_000n;
const AGAIN_MS = 1_500;
const POLL_MS = 400;
/** A chain that takes nothing and lets nothing lapse for so long stands still. */
const PATIENCE_MS = 180_000;
/** Looks at a transaction whose time is over until a node knows what became of it, and the pause between. */
const LAST_LOOKS = 10;
const LOOK_MS = 1_000;

export type Step = 'preparing' | 'signing' | 'sending' | 'confirmed';

export interface SendOptions {
  onStep?: (step: Step) => void;
  signal?: AbortSignal;
}

type Lifetime = { blockhash: Blockhash; lastValidBlockHeight: bigint };

function build(payer: Address, lifetime: Lifetime, instructions: readonly Instruction[], units: number, price: bigint) {
  return pipe(
    createTransactionMessage({ version: 0 }),
    (message) => setTransactionMessageFeePayerSigner(createNoopSigner(payer), message),
    (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
    (message) => appendTransactionMessageInstructions(instructions, message),
    (message) =>
      prependTransactionMessageInstructions(
        [
          getSetComputeUnitLimitInstruction({ units }),
          ...(price > 0n ? [getSetComputeUnitPriceInstruction({ microLamports: price })] : []),
        ],
        message,
      ),
    compileTransaction,
  );
}

async function recentPrice(accounts: readonly Address[]): Promise<bigint> {
  try {
    const fees = await rpc().getRecentPrioritizationFees(accounts.slice(0, 32)).send();
    const sorted = fees.map((fee) => BigInt(fee.prioritizationFee)).sort((a, b) => (a < b ? -1 : 1));
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0n;
    return median < MAX_PRICE ? median : MAX_PRICE;
  } catch {
    return 0n;
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What a wallet answers, unless the user stops waiting for it: what it signs later is then not sent. */
function unlessStopped<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return answer;
  return new Promise<T>((resolve, reject) => {
    const stop = () =>
      reject(
        new SendFailure(
          'you stopped waiting for the wallet',
          'Nothing was sent, whatever it signs now. Try again when you like.',
        ),
      );
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** Whether it landed, and the slot of the node that says so. Throws what it failed with. */
async function statusOf(signature: Signature, searchTransactionHistory = false) {
  const { context, value } = await rpc().getSignatureStatuses([signature], { searchTransactionHistory }).send();
  const status = value[0];
  const seen = status?.confirmationStatus;
  if (status && seen !== 'processed') {
    if (status.err) throw explain(status.err);
    return { landed: true, seen, slot: context.slot };
  }
  return { landed: false, seen, slot: context.slot };
}

/** Sends it again and again until it is confirmed. Fails once it is certain that it will not be, or that nobody can say. */
async function follow(
  signature: Signature,
  bytes: Base64EncodedWireTransaction,
  { lastValidBlockHeight }: Lifetime,
  signal: AbortSignal | undefined,
): Promise<void> {
  const begun = Date.now();
  let sentAt = 0;
  let refused: unknown;
  for (;;) {
    if (Date.now() - sentAt >= AGAIN_MS) {
      sentAt = Date.now();
      try {
        await rpc().sendTransaction(bytes, { encoding: 'base64', skipPreflight: true, maxRetries: 0n }).send();
      } catch (error) {
        // The status decides: it may have landed all the same.
        refused = error;
      }
    }
    let away = false;
    try {
      if ((await statusOf(signature)).landed) return;
      const height = await rpc().getBlockHeight({ commitment: 'confirmed' }).send();
      if (height > lastValidBlockHeight) return await lastLooks(signature, lastValidBlockHeight, refused);
    } catch (error) {
      if (error instanceof SendFailure) throw error;
      // The RPC is away for a moment: what was sent may land meanwhile.
      away = true;
    }
    if ((away && signal?.aborted) || Date.now() - begun > PATIENCE_MS) throw unsure({ cause: refused });
    await wait(POLL_MS);
  }
}

/** Its time is over. It may have landed just before, or the nodes that were asked may lag: only one that is far enough can deny it. */
async function lastLooks(signature: Signature, lastHeight: bigint, cause: unknown): Promise<void> {
  for (let look = 0; look < LAST_LOOKS; look++) {
    if (look > 0) await wait(LOOK_MS);
    try {
      const { absoluteSlot, blockHeight } = await rpc().getEpochInfo({ commitment: 'confirmed' }).send();
      const { landed, seen, slot } = await statusOf(signature, true);
      if (landed) return;
      if (!seen && blockHeight > lastHeight && slot >= absoluteSlot) {
        throw new SendFailure(
          'the chain did not take the transaction in time',
          'It can not land any more, and nothing was paid. Try again.',
          { cause },
        );
      }
    } catch (error) {
      if (error instanceof SendFailure) throw error;
    }
  }
  throw unsure({ cause });
}

/** Sends, and returns the signature once the transaction is confirmed. */
export async function send(
  wallet: ConnectedWallet,
  instructions: readonly Instruction[],
  options: SendOptions = {},
): Promise<Signature> {
  const { onStep, signal } = options;
  const payer = wallet.address as Address;
  onStep?.('preparing');
  await requireDeployment();
  const writable = instructions.flatMap((one) =>
    (one.accounts ?? []).filter((account) => account.role & 1).map((account) => account.address),
  );
  const [{ value: lifetime }, price] = await Promise.all([
    rpc().getLatestBlockhash({ commitment: 'confirmed' }).send({ abortSignal: signal }),
    recentPrice(writable),
  ]);
  const draft = build(payer, lifetime, instructions, MAX_UNITS, price);
  const wire = getBase64Decoder().decode(getTransactionEncoder().encode(draft)) as Base64EncodedWireTransaction;
  const { value: simulated } = await rpc()
    .simulateTransaction(wire, {
      encoding: 'base64',
      sigVerify: false,
      replaceRecentBlockhash: true,
      commitment: 'confirmed',
    })
    .send({ abortSignal: signal });
  if (simulated.err) throw explain(simulated.err, simulated.logs ?? []);
  const units = Math.min(MAX_UNITS, Math.ceil(Number(simulated.unitsConsumed ?? MAX_UNITS) * UNITS_MARGIN) + 1_000);
  const transaction = build(payer, lifetime, instructions, units, price);
  const unsigned = Uint8Array.from(getTransactionEncoder().encode(transaction));

  onStep?.('signing');
  const signed = await unlessStopped(wallet.signTransaction(unsigned), signal);
  const decoded = getTransactionDecoder().decode(signed);
  if (!sameBytes(decoded.messageBytes, transaction.messageBytes)) {
    throw new SendFailure(
      'the wallet changed the transaction',
      'Nothing was sent: this app sends only what it showed you. Turn off what changes transactions, or use another wallet.',
    );
  }
  const made = decoded.signatures[payer];
  if (!made || !verifySignature(keyBytes(payer), Uint8Array.from(transaction.messageBytes), Uint8Array.from(made))) {
    throw new SendFailure('the wallet’s signature is not valid', 'Nothing was sent. Try again, or use another wallet.');
  }
  const signature = getBase58Decoder().decode(made) as Signature;

  onStep?.('sending');
  await follow(signature, getBase64Decoder().decode(signed) as Base64EncodedWireTransaction, lifetime, signal);
  onStep?.('confirmed');
  return signature;
}
