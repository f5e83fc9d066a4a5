import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { type Quote, quoteQuery } from '@/shared/api';
import { escrowFor, highestPrice, mintsQuery, tokenBalanceQuery, unitOf } from '@/shared/chain';
import { useConfig } from '@/shared/config/use-config';
import { AmountError, count, duration, exact, parseAmount, plural, size, type Unit } from '@/shared/format';
import { chainNow } from '@/shared/live';
import {
  Amount,
  Button,
  Card,
  Facts,
  Failure,
  Notice,
  Page,
  Percent,
  Progress,
  SelectField,
  Skeleton,
  TextField,
} from '@/shared/ui';
import { hashFile } from '@/shared/verify';
import { useWallet, WalletButton } from '@/shared/wallet';
import { type Engine, requirementOf, VERIFICATION } from '../offers/filters';
import { CloudTabs } from '../tabs';
import { InputError } from './passages';
import {
  type BlobRef,
  embedSpec,
  type Format,
  LIMITS,
  UNIT_NAMES,
  unitsForFuel,
  verificationNumber,
  type WasmLimits,
  wasmSpec,
} from './spec';
import { type Phase, type Upload, useSubmit } from './use-submit';

/** Work that is checked and hashed: ready to be priced. */
interface Prepared {
  spec: string;
  units: bigint;
  /** Units are known before the run; else this is the most. */
  exact: boolean;
  uploads: Upload[];
}

const TEMPLATES: Record<Engine, { title: string; text: string }> = {
  embed: {
    title: 'Text embeddings',
    text: 'Each line of a text file becomes a vector of 384 numbers (all-MiniLM-L6-v2).',
  },
  wasm: { title: 'WebAssembly', text: 'Your own module on your input, metered by fuel and repeated bit by bit.' },
};

export function SubmitPage() {
  const filters = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate({ from: '/cloud/new' });
  const engine = filters.engine ?? 'embed';
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  return (
    <Page title="New job" lead="Choose the work, see what it costs at most, sign once. Whatever isn’t used comes back.">
      <CloudTabs />
      <div className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
        <Card title="Work">
          <fieldset className="mb-4 grid gap-3 sm:grid-cols-2">
            <legend className="sr-only">Kind of work</legend>
            {(Object.keys(TEMPLATES) as Engine[]).map((one) => (
              <label
                key={one}
                className="flex cursor-pointer gap-3 rounded-xl border border-line p-3 has-checked:border-accent has-checked:bg-accent/5"
              >
                <input
                  type="radio"
                  name="engine"
                  className="mt-1 accent-accent"
                  checked={engine === one}
                  onChange={() => {
                    setPrepared(null);
                    void navigate({ search: (before) => ({ ...before, engine: one }), replace: true });
                  }}
                />
                <span>
                  <span className="block font-medium text-sm">{TEMPLATES[one].title}</span>
                  <span className="block text-muted text-xs">{TEMPLATES[one].text}</span>
                </span>
              </label>
            ))}
          </fieldset>
          {engine === 'embed' ? <EmbedForm onReady={setPrepared} /> : <WasmForm onReady={setPrepared} />}
          <p className="mt-4 text-muted text-xs">
            Verified {VERIFICATION[engine].name}: {VERIFICATION[engine].text}.
          </p>
        </Card>
        <PriceCard engine={engine} prepared={prepared} />
      </div>
    </Page>
  );
}

function FileField({
  label,
  hint,
  accept,
  onFile,
}: {
  label: string;
  hint: string;
  accept?: string;
  onFile: (file: File | null) => void;
}) {
  return (
    <TextField
      label={label}
      hint={hint}
      type="file"
      accept={accept}
      onChange={(event) => onFile(event.target.files?.[0] ?? null)}
    />
  );
}

type Reading =
  | { state: 'none' }
  | { state: 'reading'; done: number; total: number }
  | { state: 'bad'; error: unknown }
  | { state: 'ready'; note: string };

function ReadingLine({ reading }: { reading: Reading }) {
  if (reading.state === 'reading')
    return <Progress label="Reading the file" value={reading.done} max={reading.total} />;
  if (reading.state === 'bad') return <Failure error={reading.error} />;
  return (
    <p role="status" className="min-h-5 text-good text-sm" data-testid="reading">
      {reading.state === 'ready' ? reading.note : ''}
    </p>
  );
}

function countInWorker(file: Blob, format: Format, signal: AbortSignal): Promise<number> {
  const worker = new Worker(new URL('./passages.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<number>((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    worker.onmessage = (event: MessageEvent<{ count?: number; error?: string }>) =>
      event.data.count !== undefined
        ? resolve(event.data.count)
        : reject(new InputError(event.data.error ?? 'the file can not be read'));
    worker.onerror = () => reject(new Error('the reading thread failed: reload the page and try again'));
    worker.postMessage({ file, format });
  }).finally(() => worker.terminate());
}

function EmbedForm({ onReady }: { onReady: (prepared: Prepared | null) => void }) {
  const [file, setFile] = useState<File | null>(null);
  const [chosen, setChosen] = useState<Format | null>(null);
  const [reading, setReading] = useState<Reading>({ state: 'none' });
  const format = chosen ?? (file && /\.(jsonl|ndjson)$/.test(file.name) ? 'jsonl' : 'lines');
  useEffect(() => {
    onReady(null);
    if (!file) return setReading({ state: 'none' });
    const abort = new AbortController();
    const read = async () => {
      if (file.size > LIMITS.input)
        throw new InputError(`the file has ${size(file.size)}, a job takes ${size(LIMITS.input)}`);
      setReading({ state: 'reading', done: 0, total: file.size });
      const [hash, units] = await Promise.all([
        hashFile(file, (done) => setReading({ state: 'reading', done, total: file.size }), abort.signal),
        countInWorker(file, format, abort.signal),
      ]);
      setReading({ state: 'ready', note: `${plural(units, 'passage')}, ${size(file.size)}` });
      onReady({
        spec: embedSpec({ hash, size: file.size }, format),
        units: BigInt(units),
        exact: true,
        uploads: [{ name: file.name, hash, content: file }],
      });
    };
    read().catch((error) => !abort.signal.aborted && setReading({ state: 'bad', error }));
    return () => abort.abort();
  }, [file, format, onReady]);
  return (
    <div className="flex flex-col gap-3">
      <FileField
        label="Passages"
        hint={`A UTF-8 text file, one passage a line; or JSON lines. At most ${size(LIMITS.input)}.`}
        accept=".txt,.jsonl,.ndjson,text/plain"
        onFile={setFile}
      />
      <SelectField label="Format" value={format} onChange={(event) => setChosen(event.target.value as Format)}>
        <option value="lines">Text: each line is a passage</option>
        <option value="jsonl">JSON lines: {'{"id": …, "text": …}'}</option>
      </SelectField>
      <ReadingLine reading={reading} />
    </div>
  );
}

const WASM_DEFAULTS: WasmLimits = { fuel: 100_000_000_000, memory_mib: 256, time_limit_s: 600, max_output: 16 << 20 };
const MAGIC = [0, 0x61, 0x73, 0x6d];

function WasmForm({ onReady }: { onReady: (prepared: Prepared | null) => void }) {
  const [module, setModule] = useState<File | null>(null);
  const [input, setInput] = useState<File | null>(null);
  const [limits, setLimits] = useState(WASM_DEFAULTS);
  const [reading, setReading] = useState<Reading>({ state: 'none' });
  useEffect(() => {
    onReady(null);
    if (!module) return setReading({ state: 'none' });
    const abort = new AbortController();
    const read = async () => {
      const head = new Uint8Array(await module.slice(0, 4).arrayBuffer());
      if (!MAGIC.every((byte, i) => head[i] === byte))
        throw new InputError(`${module.name} is no WebAssembly module in binary form`);
      if (module.size > LIMITS.module)
        throw new InputError(`the module has ${size(module.size)}, a job takes ${size(LIMITS.module)}`);
      const content: Blob = input ?? new Blob([]);
      if (content.size > LIMITS.input)
        throw new InputError(`the input has ${size(content.size)}, a job takes ${size(LIMITS.input)}`);
      setReading({ state: 'reading', done: 0, total: module.size });
      const [moduleHash, inputHash] = await Promise.all([
        hashFile(module, undefined, abort.signal),
        hashFile(content, undefined, abort.signal),
      ]);
      const refOf = (hash: string, of: Blob): BlobRef => ({ hash, size: of.size });
      setReading({ state: 'ready', note: `${module.name}, ${size(module.size)}; input ${size(content.size)}` });
      onReady({
        spec: wasmSpec(refOf(inputHash, content), refOf(moduleHash, module), limits),
        units: unitsForFuel(limits.fuel),
        exact: false,
        uploads: [
          { name: module.name, hash: moduleHash, content: module },
          { name: input?.name ?? 'empty input', hash: inputHash, content },
        ],
      });
    };
    read().catch((error) => !abort.signal.aborted && setReading({ state: 'bad', error }));
    return () => abort.abort();
  }, [module, input, limits, onReady]);
  const field = (name: keyof WasmLimits, label: string, least: number, most: number) => (
    <TextField
      label={label}
      type="number"
      min={least}
      max={most}
      value={limits[name]}
      onChange={(event) => {
        const value = Number(event.target.value);
        if (Number.isInteger(value) && value >= least && value <= most) setLimits({ ...limits, [name]: value });
      }}
    />
  );
  return (
    <div className="flex flex-col gap-3">
      <FileField
        label="Module"
        hint="A WebAssembly module in binary form; docs/engines.md says what it exports."
        accept=".wasm"
        onFile={setModule}
      />
      <FileField label="Input" hint="What the module reads. Nothing when left out." onFile={setInput} />
      <div className="grid gap-3 sm:grid-cols-2">
        {field('fuel', 'Most fuel', 1, LIMITS.fuel)}
        {field('memory_mib', 'Most memory, MiB', 1, LIMITS.memoryMib)}
        {field('time_limit_s', 'Longest run, seconds', 1, LIMITS.timeS)}
        {field('max_output', 'Most output, bytes', 0, LIMITS.output)}
      </div>
      <ReadingLine reading={reading} />
    </div>
  );
}

const DEADLINES = [
  [3_600, '1 hour'],
  [6 * 3_600, '6 hours'],
  [86_400, '1 day'],
] as const;
const MAX_RUN_SECONDS = 1_800;

function PriceCard({ engine, prepared }: { engine: Engine; prepared: Prepared | null }) {
  const filters = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate();
  const wallet = useWallet();
  const config = useConfig();
  const mints = useQuery(mintsQuery());
  const [mint, setMint] = useState(config.io_mint);
  const [limit, setLimit] = useState('');
  const [deadline, setDeadline] = useState<number>(3_600);
  const { phase, submit, stop } = useSubmit();
  const unit = unitOf(mint, mints.data);
  const requirement = requirementOf(filters);
  const request = prepared && { engine, units: Number(prepared.units), requirement, mint };
  const quote = useQuery({ ...quoteQuery(request), placeholderData: keepPreviousData });
  const balance = useQuery(tokenBalanceQuery(wallet?.address ?? null, mint));
  const price = prepared && quote.data && priceOf(prepared.units, quote.data, limit, unit);
  const busy = phase.at !== 'idle' && phase.at !== 'failed' && phase.at !== 'done';
  const short = price?.escrow !== undefined && balance.data !== undefined && balance.data < price.escrow;

  async function go() {
    if (!wallet || !prepared || !price?.escrow) return;
    const job = await submit(wallet, prepared.spec, prepared.uploads, {
      mint,
      maxPrice: price.maxPrice,
      maxUnits: prepared.units,
      escrow: price.escrow,
      deadline: BigInt(Math.floor(chainNow()) + deadline),
      maxRunSeconds: MAX_RUN_SECONDS,
      requirement,
      verification: verificationNumber(engine),
    });
    if (job) await navigate({ to: '/cloud/jobs/$job', params: { job } });
  }

  return (
    <Card title="Price">
      {!prepared ? (
        <p className="text-muted text-sm">Choose a file: its price is asked from the devices that are free now.</p>
      ) : quote.error && !quote.data ? (
        <Failure error={quote.error} retry={() => quote.refetch()} />
      ) : !quote.data ? (
        <Skeleton className="h-40" />
      ) : (
        <div className="flex flex-col gap-4">
          <Facts
            rows={[
              ['Work', `${prepared.exact ? '' : 'at most '}${count(prepared.units)} ${UNIT_NAMES[engine]}`],
              [
                'Devices',
                quote.data.devices > 0 ? `${plural(quote.data.devices, 'device')} can take it now` : 'none is free now',
              ],
              quote.data.total != null && [
                'Cheapest',
                <span key="c">
                  <Amount base={quote.data.total} unit={unit} />
                  {quote.data.seconds != null && (
                    <span className="text-muted"> · about {duration(quote.data.seconds)}</span>
                  )}
                </span>,
              ],
              ['Fees', <Percent key="f" bps={quote.data.reserve_bps + quote.data.payment_bps} />],
              wallet && balance.data !== undefined && ['You hold', <Amount key="b" base={balance.data} unit={unit} />],
            ]}
          />
          {quote.data.devices === 0 && (
            <Notice tone="warn">
              No device takes this now
              {Object.keys(quote.data.removed).length > 0 &&
                ` (${Object.entries(quote.data.removed)
                  .map(([why, n]) => `${why}: ${n}`)
                  .join(', ')})`}
              . Name the most you pay below, and the job waits for one; cancelling refunds everything.
            </Notice>
          )}
          <div className="grid gap-3 sm:grid-cols-2">
            <SelectField label="Pay in" value={mint} onChange={(event) => setMint(event.target.value)}>
              {(mints.data ?? [])
                .filter((one) => one.data.enabled === 1)
                .map((one) => (
                  <option key={one.address} value={one.data.mint}>
                    {unitOf(one.data.mint, mints.data).symbol}
                  </option>
                ))}
            </SelectField>
            <SelectField
              label="Deadline"
              value={deadline}
              onChange={(event) => setDeadline(Number(event.target.value))}
            >
              {DEADLINES.map(([seconds, name]) => (
                <option key={seconds} value={seconds}>
                  {name}
                </option>
              ))}
            </SelectField>
          </div>
          <TextField
            label={`Pay at most, ${unit.symbol}`}
            inputMode="decimal"
            placeholder={price?.suggested ? exact(price.suggested, { ...unit, symbol: '' }).trim() : 'amount'}
            hint="What is escrowed, fees included. Empty: what the median device asks."
            error={price?.error}
            value={limit}
            onChange={(event) => setLimit(event.target.value)}
          />
          {price?.escrow !== undefined && (
            <p className="text-sm">
              <Amount base={price.escrow} unit={unit} className="font-semibold" /> leaves your wallet for this job’s own
              escrow. That is the most it can cost.
            </p>
          )}
          {short && (
            <Notice tone="warn">
              The wallet holds <Amount base={balance.data ?? 0n} unit={unit} />: too little. Lower the limit, or send it
              some.
            </Notice>
          )}
          {wallet ? (
            <Button
              variant="primary"
              disabled={busy || short || price?.escrow === undefined}
              onClick={go}
              data-testid="submit"
            >
              {busy ? 'Working…' : 'Upload and create the job'}
            </Button>
          ) : (
            <div className="flex items-center gap-3 text-sm">
              <WalletButton /> to pay for it
            </div>
          )}
          <PhaseLine phase={phase} stop={stop} />
        </div>
      )}
    </Card>
  );
}

function priceOf(
  units: bigint,
  quote: Quote,
  limit: string,
  unit: Unit,
): { maxPrice: bigint; escrow?: bigint; suggested?: bigint; error: string | null } {
  const fees = { reserveBps: quote.reserve_bps, paymentBps: quote.payment_bps };
  const median = quote.ask_median ? BigInt(quote.ask_median) || 1n : null;
  const suggested = median === null ? undefined : (escrowFor(units, median, fees) ?? undefined);
  if (limit.trim() === '') {
    return { maxPrice: median ?? 0n, escrow: suggested, suggested, error: null };
  }
  try {
    const total = parseAmount(limit, unit);
    const maxPrice = highestPrice(units, total, fees);
    if (maxPrice === 0n) return { maxPrice, suggested, error: 'that pays for no work at any price' };
    if (quote.total && BigInt(quote.total) > total)
      return { maxPrice, suggested, error: `the cheapest device asks ${exact(BigInt(quote.total), unit)}` };
    return { maxPrice, escrow: escrowFor(units, maxPrice, fees) ?? undefined, suggested, error: null };
  } catch (error) {
    if (!(error instanceof AmountError)) throw error;
    return { maxPrice: 0n, suggested, error: error.message };
  }
}

const STEPS: Partial<Record<Phase['at'], string>> = {
  preparing: 'Simulating the transaction…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
};

function PhaseLine({ phase, stop }: { phase: Phase; stop: () => void }) {
  if (phase.at === 'failed') return <Failure error={phase.error} />;
  if (phase.at === 'uploading') {
    return (
      <div className="flex flex-col gap-2 text-sm" role="status">
        <div className="flex items-center justify-between gap-2">
          <span className="truncate">
            Uploading {phase.name}: {size(phase.done)} of {size(phase.total)}
          </span>
          <Button variant="ghost" className="min-h-0 px-2 py-0.5" onClick={stop}>
            Stop
          </Button>
        </div>
        <Progress label={`Uploading ${phase.name}`} value={phase.done} max={phase.total} />
      </div>
    );
  }
  return (
    <p role="status" className="min-h-5 text-sm">
      {STEPS[phase.at] ?? ''}
    </p>
  );
}
