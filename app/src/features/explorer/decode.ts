/** Transactions as people read them: instructions by their programs' parsers, events out of the program's log. */

import { sha256 } from '@noble/hashes/sha2.js';
import { AccountRole, type Address, getAddressDecoder, getBase58Encoder, getBase64Encoder } from '@solana/kit';
import { ComputeBudgetInstruction, parseComputeBudgetInstruction } from '@solana-program/compute-budget';
import { parseSystemInstruction, SystemInstruction } from '@solana-program/system';
import { parseTokenInstruction, TokenInstruction } from '@solana-program/token';
import { IoNetworkInstruction, parseIoNetworkInstruction } from '@/generated/program';
import { decodeBody, type Kind, PROGRAM } from '@/shared/chain';
import { hex, sameBytes } from '@/shared/format';

export interface Instruction {
  program: string;
  programName: string;
  name: string;
  accounts: { name: string; address: string; signer: boolean; writable: boolean }[];
  fields: Field[];
  inner: Instruction[];
}

export interface Field {
  name: string;
  value: string;
  /** Key or hash: shown short, copied whole. */
  id: boolean;
}

interface RawInstruction {
  programIdIndex: number;
  accounts: readonly number[];
  data: string;
}

/** `getTransaction` with `encoding: 'json'`, as far as it is read here. */
export interface RawTransaction {
  slot: bigint;
  blockTime: bigint | null;
  transaction: {
    signatures: readonly string[];
    message: {
      accountKeys: readonly string[];
      header: { numRequiredSignatures: number; numReadonlySignedAccounts: number; numReadonlyUnsignedAccounts: number };
      instructions: readonly RawInstruction[];
    };
  };
  meta: {
    err: unknown;
    fee: bigint;
    computeUnitsConsumed?: bigint;
    logMessages: readonly string[] | null;
    innerInstructions?: readonly { index: number; instructions: readonly RawInstruction[] }[] | null;
    loadedAddresses?: { writable: readonly string[]; readonly: readonly string[] } | null;
  } | null;
}

const NAMES: Record<string, string> = {
  [PROGRAM]: 'IO Network',
  '11111111111111111111111111111111': 'System',
  ComputeBudget111111111111111111111111111111: 'Compute budget',
  TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA: 'Token',
  TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb: 'Token-2022',
  ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL: 'Associated token',
  Ed25519SigVerify111111111111111111111111111: 'Ed25519',
  MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr: 'Memo',
};
const ED25519 = 'Ed25519SigVerify111111111111111111111111111';
const ED25519_HEAD = 2;
const ED25519_ENTRY = 14;
/** Longest bytes shown in a field. */
const MOST_BYTES = 64;

const words = (name: string) =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/^./, (first) => first.toUpperCase());

/** What tells nobody anything. */
const DULL = /(^|, )(discriminator|reserved|version|.*bump)$/i;

function fieldsOf(value: unknown, name: string): Field[] {
  if (DULL.test(name)) return [];
  if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean')
    return [{ name, value: value.toString(), id: false }];
  if (typeof value === 'string') return [{ name, value, id: value.length >= 32 }];
  if (value === null || value === undefined) return [{ name, value: 'none', id: false }];
  if (value instanceof Uint8Array) {
    const text = hex(value.subarray(0, MOST_BYTES));
    const shown = value.length > MOST_BYTES ? `${text}… (${value.length} bytes)` : text;
    return [{ name, value: shown || 'empty', id: value.length >= 16 && value.length <= MOST_BYTES }];
  }
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one === 'number' || typeof one === 'bigint'))
      return [{ name, value: value.join(', '), id: false }];
    return value.flatMap((one, i) => fieldsOf(one, `${name} ${i}`)).filter(({ value }) => !/^1{32}$/.test(value));
  }
  if (typeof value === 'object') {
    const option = value as { __option?: string; value?: unknown };
    if (option.__option) return fieldsOf(option.__option === 'Some' ? option.value : null, name);
    return Object.entries(value).flatMap(([key, one]) =>
      fieldsOf(one, name ? `${name}, ${words(key).toLowerCase()}` : words(key)),
    );
  }
  return [];
}

/** The keys whose signatures the runtime checked. */
function signersOf(data: Uint8Array): Field[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const count = data[0] ?? 0;
  const fields: Field[] = [];
  for (let i = 0; i < count; i++) {
    const at = ED25519_HEAD + i * ED25519_ENTRY;
    if (at + ED25519_ENTRY > data.length) break;
    const key = view.getUint16(at + 4, true);
    if (key + 32 > data.length) break;
    fields.push({
      name: `Signed by ${i + 1}`,
      value: getAddressDecoder().decode(data.subarray(key, key + 32)),
      id: true,
    });
  }
  return fields;
}

type Parsed = { name: string; accounts?: Record<string, { address: string } | undefined>; data?: object };

function parse(program: string, accounts: { address: string; role: AccountRole }[], data: Uint8Array): Parsed | null {
  const instruction = { programAddress: program as Address, accounts, data } as never;
  switch (NAMES[program]) {
    case 'IO Network': {
      const parsed = parseIoNetworkInstruction(instruction);
      return { ...parsed, name: IoNetworkInstruction[parsed.instructionType] } as Parsed;
    }
    case 'System': {
      const parsed = parseSystemInstruction(instruction);
      return { ...parsed, name: SystemInstruction[parsed.instructionType] } as Parsed;
    }
    case 'Token': {
      const parsed = parseTokenInstruction(instruction);
      return { ...parsed, name: TokenInstruction[parsed.instructionType] } as Parsed;
    }
    case 'Compute budget': {
      const parsed = parseComputeBudgetInstruction(instruction);
      return { ...parsed, name: ComputeBudgetInstruction[parsed.instructionType] } as Parsed;
    }
    case 'Associated token':
      return { name: data[0] === 1 ? 'CreateIdempotent' : data[0] === 2 ? 'RecoverNested' : 'Create' };
    default:
      return null;
  }
}

function instructionOf(
  raw: RawInstruction,
  keys: readonly string[],
  role: (index: number) => { signer: boolean; writable: boolean },
): Instruction {
  const program = keys[raw.programIdIndex] ?? '?';
  const data = Uint8Array.from(getBase58Encoder().encode(raw.data));
  const listed = raw.accounts.map((index) => ({ address: keys[index] ?? '?', ...role(index) }));
  let parsed: Parsed | null = null;
  try {
    const metas = listed.map(({ address, signer, writable }) => ({
      address,
      role: signer
        ? writable
          ? AccountRole.WRITABLE_SIGNER
          : AccountRole.READONLY_SIGNER
        : writable
          ? AccountRole.WRITABLE
          : AccountRole.READONLY,
    }));
    parsed = parse(program, metas, data);
  } catch {
    // An instruction that this build does not know: its bytes are shown.
  }
  const named = Object.entries(parsed?.accounts ?? {}).flatMap(([name, account]) =>
    account ? [{ name, address: account.address }] : [],
  );
  return {
    program,
    programName: NAMES[program] ?? 'Another program',
    name: parsed ? words(parsed.name) : program === ED25519 ? 'Check signatures' : 'Instruction',
    accounts: listed.map((account, i) => ({
      ...account,
      name: named[i]?.address === account.address ? words(named[i].name) : `Account ${i + 1}`,
    })),
    fields: parsed ? fieldsOf(parsed.data ?? {}, '') : program === ED25519 ? signersOf(data) : fieldsOf(data, 'Data'),
    inner: [],
  };
}

export function instructionsOf(raw: RawTransaction): Instruction[] {
  const { message } = raw.transaction;
  const { header } = message;
  const fixed = message.accountKeys.length;
  const writableLoaded = raw.meta?.loadedAddresses?.writable ?? [];
  const keys = [...message.accountKeys, ...writableLoaded, ...(raw.meta?.loadedAddresses?.readonly ?? [])];
  const role = (index: number) => {
    const signer = index < header.numRequiredSignatures;
    const writable = signer
      ? index < header.numRequiredSignatures - header.numReadonlySignedAccounts
      : index < fixed
        ? index < fixed - header.numReadonlyUnsignedAccounts
        : index < fixed + writableLoaded.length;
    return { signer, writable };
  };
  return message.instructions.map((one, i) => ({
    ...instructionOf(one, keys, role),
    inner: (raw.meta?.innerInstructions ?? [])
      .filter(({ index }) => index === i)
      .flatMap(({ instructions }) => instructions.map((inner) => instructionOf(inner, keys, role))),
  }));
}

/** What each event carries: key and state before where there are any, then an account's fields. */
const EVENTS: Record<string, { key: string | null; before?: boolean; kind: Kind }> = {
  JobChanged: { key: 'Job', before: true, kind: 'job' },
  JobClosed: { key: 'Job', kind: 'job' },
  DeviceChanged: { key: 'Device', kind: 'device' },
  DeviceRetired: { key: 'Device', kind: 'device' },
  ProviderChanged: { key: 'Provider', kind: 'provider' },
  SlashCaseChanged: { key: 'Case', kind: 'slashCase' },
  SlashCaseClosed: { key: 'Case', kind: 'slashCase' },
  OracleChanged: { key: 'Oracle', kind: 'oracle' },
  CoStakeChanged: { key: 'Co-stake', kind: 'coStake' },
  CoStakeClosed: { key: 'Co-stake', kind: 'coStake' },
  NetworkChanged: { key: null, kind: 'network' },
  OracleSetChanged: { key: null, kind: 'oracleSet' },
  DeviceClassChanged: { key: 'Class', kind: 'deviceClass' },
  PaymentMintChanged: { key: 'Payment mint', kind: 'paymentMint' },
  EmissionChanged: { key: null, kind: 'emission' },
  VestingChanged: { key: 'Vesting', kind: 'vesting' },
};
const DISCRIMINATORS = Object.keys(EVENTS).map((name) => ({
  name,
  bytes: sha256(new TextEncoder().encode(`event:${name}`)).subarray(0, 8),
}));

export interface ChainEvent {
  name: string;
  key: { name: string; address: string } | null;
  fields: Field[];
}

function eventOf(bytes: Uint8Array): ChainEvent {
  const name = DISCRIMINATORS.find((one) => sameBytes(one.bytes, bytes.subarray(0, 8)))?.name;
  const shape = name ? EVENTS[name] : undefined;
  if (!name || !shape) return { name: 'Event that this app does not know', key: null, fields: fieldsOf(bytes, 'Data') };
  let at = 8;
  const key = shape.key
    ? { name: shape.key, address: getAddressDecoder().decode(bytes.subarray(at, at + 32)) as string }
    : null;
  if (key) at += 32;
  const before: Field[] = shape.before ? [{ name: 'State before', value: String(bytes[at]), id: false }] : [];
  if (shape.before) at += 1;
  try {
    return { name: words(name), key, fields: [...before, ...fieldsOf(decodeBody(shape.kind, bytes.subarray(at)), '')] };
  } catch {
    return { name: words(name), key, fields: [...before, ...fieldsOf(bytes.subarray(at), 'Data')] };
  }
}

/** A log's events: only lines written while the network's own program runs count, anybody can write such text. */
export function eventsOf(logs: readonly string[], program: string = PROGRAM): ChainEvent[] {
  const running: string[] = [];
  const events: ChainEvent[] = [];
  for (const line of logs) {
    const [, begun] = /^Program (\S+) invoke \[\d+\]$/.exec(line) ?? [];
    if (begun) running.push(begun);
    else if (/^Program \S+ (success|failed)/.test(line)) running.pop();
    else if (line.startsWith('Program data: ') && running.at(-1) === program) {
      try {
        const base64 = line.slice('Program data: '.length).split(' ')[0] ?? '';
        events.push(eventOf(Uint8Array.from(getBase64Encoder().encode(base64))));
      } catch {
        // Not base64: not an event.
      }
    }
  }
  return events;
}
