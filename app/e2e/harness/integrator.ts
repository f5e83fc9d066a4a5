/** Another program that rents: the example of `programs/io-consumer`, put on the local chain. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  AccountRole,
  type Address,
  address,
  appendTransactionMessageInstructions,
  createKeyPairSignerFromBytes,
  createNoopSigner,
  createSolanaRpc,
  createTransactionMessage,
  getAddressEncoder,
  getBase64EncodedWireTransaction,
  getBase64Encoder,
  getProgramDerivedAddress,
  getSignatureFromTransaction,
  getU64Encoder,
  type Instruction,
  type KeyPairSigner,
  pipe,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from '@solana/kit';
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from '@solana-program/token';
import { expect, inject } from 'vitest';
import { getCreateJobInstructionAsync, getJobDecoder, IO_NETWORK_PROGRAM_ADDRESS } from '../../src/generated/program';
import { keyOf } from './io';

/** Its declared address. */
export const CONSUMER = address('3yaZkVjVZbCpsuFD6DzzZ4SWqy7HWAZiw4wW1JXtthhv');
const SYSTEM = address('11111111111111111111111111111111');
const FILE = 'io_consumer.so';
/** Bytes of a program that are written at once, as the local chain takes them. */
const PIECE = 256 * 1024;

const key = (of: Address) => getAddressEncoder().encode(of);
const of = async (programAddress: Address, ...seeds: Parameters<typeof getProgramDerivedAddress>[0]['seeds']) =>
  (await getProgramDerivedAddress({ programAddress, seeds }))[0];
const named = (name: string) => createHash('sha256').update(`global:${name}`).digest().subarray(0, 8);

/** The program as it was built beside the network's own. */
function built(): Buffer {
  const folders = [process.env.IO_PROGRAM_DIR, process.env.IO_BIN && join(dirname(process.env.IO_BIN), '../deploy')];
  const file = folders.map((folder) => folder && join(folder, FILE)).find((path) => path && existsSync(path));
  if (!file) throw new Error(`no ${FILE}: build the programs (./x build), or name their folder with IO_PROGRAM_DIR`);
  return readFileSync(file);
}

async function cheat(method: string, ...params: unknown[]) {
  const answer = await fetch(inject('network').rpc_url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { error } = (await answer.json()) as { error?: { message: string } };
  if (error) throw new Error(`${method}: ${error.message}`);
}

async function send(signer: KeyPairSigner, instruction: Instruction): Promise<string> {
  const rpc = createSolanaRpc(inject('network').rpc_url);
  const { value: lifetime } = await rpc.getLatestBlockhash().send();
  const signed = await pipe(
    createTransactionMessage({ version: 0 }),
    (message) => setTransactionMessageFeePayerSigner(signer, message),
    (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
    (message) => appendTransactionMessageInstructions([instruction], message),
    signTransactionMessageWithSigners,
  );
  const signature = getSignatureFromTransaction(signed);
  await rpc.sendTransaction(getBase64EncodedWireTransaction(signed), { encoding: 'base64' }).send();
  await expect
    .poll(async () => (await rpc.getSignatureStatuses([signature]).send()).value[0]?.confirmationStatus, {
      timeout: 30_000,
    })
    .toMatch(/confirmed|finalized/);
  return signature;
}

/** A job with the terms of another, whose renter is the program's account and whose payer is the tests' renter. */
export async function rentThroughProgram(like: string): Promise<{ job: string; desk: string; signature: string }> {
  const { rpc_url, io_mint } = inject('network');
  const program = built();
  for (let at = 0; at < program.length; at += PIECE)
    await cheat('surfnet_writeProgram', CONSUMER, program.subarray(at, at + PIECE).toString('hex'), at);

  const secret = Uint8Array.from(JSON.parse(readFileSync(keyOf('renter'), 'utf8')) as number[]);
  const user = await createKeyPairSignerFromBytes(secret);
  const desk = await of(CONSUMER, 'desk', key(user.address));
  await send(user, {
    programAddress: CONSUMER,
    accounts: [
      { address: user.address, role: AccountRole.WRITABLE_SIGNER },
      { address: desk, role: AccountRole.WRITABLE },
      { address: SYSTEM, role: AccountRole.READONLY },
    ],
    data: named('open_desk'),
  });

  const { value } = await createSolanaRpc(rpc_url).getAccountInfo(address(like), { encoding: 'base64' }).send();
  if (!value) throw new Error(`there is no job ${like}`);
  const terms = getJobDecoder().decode(getBase64Encoder().encode(value.data[0]));
  const nonce = BigInt(Date.now());
  const mint = address(io_mint);
  const job = await of(IO_NETWORK_PROGRAM_ADDRESS, 'job', key(desk), getU64Encoder().encode(nonce));
  const [payerToken] = await findAssociatedTokenPda({
    owner: user.address,
    mint,
    tokenProgram: TOKEN_PROGRAM_ADDRESS,
  });
  const create = await getCreateJobInstructionAsync({
    ...terms,
    renter: createNoopSigner(desk),
    payer: user,
    network: await of(IO_NETWORK_PROGRAM_ADDRESS, 'network'),
    payment: await of(IO_NETWORK_PROGRAM_ADDRESS, 'payment', key(mint)),
    mint,
    job,
    vault: await of(IO_NETWORK_PROGRAM_ADDRESS, 'vault', key(job)),
    payerToken,
    nonce,
    maxEscrow: terms.escrow,
    deposit: 0n,
    devices: 1,
    kind: 0,
  });
  const [, , network, payment, theMint, theJob, vault, token, tokenProgram, system] = create.accounts;
  const signature = await send(user, {
    programAddress: CONSUMER,
    accounts: [
      { address: user.address, role: AccountRole.WRITABLE_SIGNER },
      { address: desk, role: AccountRole.WRITABLE },
      network,
      payment,
      theMint,
      theJob,
      vault,
      token,
      tokenProgram,
      system,
      { address: IO_NETWORK_PROGRAM_ADDRESS, role: AccountRole.READONLY },
    ],
    data: Uint8Array.from([...named('request_job'), ...create.data.subarray(8)]),
  });
  return { job, desk, signature };
}
