/** What is to be done: files chosen, checked and hashed, as the spec of a job. */
import { useEffect, useMemo, useState } from 'react';
import { duration, plural, size } from '@/shared/format';
import { Failure, Progress, SelectField, TextField } from '@/shared/ui';
import { hashFile } from '@/shared/verify';
import { DEFAULTS, readLimits } from './limits';
import { InputError } from './passages';
import {
  type BlobRef,
  embedSpec,
  type Format,
  LIMITS,
  MAX_LEASE_SECONDS,
  MIN_LEASE_SECONDS,
  runFor,
  unitsForFuel,
  type WasmLimits,
  wasmSpec,
} from './spec';
import type { Upload } from './use-submit';

/** Work that is checked and hashed: ready to be priced. */
export interface Prepared {
  spec: string;
  units: bigint;
  /** Units are known before the run; else this is the most. */
  exact: boolean;
  uploads: Upload[];
  /** Time on the device, seconds, where the usual is not enough; of a lease: what it may come to with extensions. */
  longest?: number;
}

export type OnReady = (prepared: Prepared | null) => void;

type Reading =
  | { state: 'none' }
  | { state: 'reading'; done: number; total: number }
  | { state: 'bad'; error: unknown }
  | { state: 'ready'; note: string };

export type Read = (
  signal: AbortSignal,
  onProgress: (done: number, total: number) => void,
) => Promise<{ note: string; prepared: Prepared }>;

/** Reads what was chosen. The first failure ends all of it: nothing that is slower writes over what is said about it. */
export function useReading(read: Read | null, onReady: OnReady): Reading {
  const [reading, setReading] = useState<Reading>({ state: 'none' });
  useEffect(() => {
    onReady(null);
    if (!read) return setReading({ state: 'none' });
    const abort = new AbortController();
    const say = (next: Reading) => {
      if (!abort.signal.aborted) setReading(next);
    };
    read(abort.signal, (done, total) => say({ state: 'reading', done, total })).then(
      ({ note, prepared }) => {
        if (abort.signal.aborted) return;
        setReading({ state: 'ready', note });
        onReady(prepared);
      },
      (error) => {
        say({ state: 'bad', error });
        abort.abort();
      },
    );
    return () => abort.abort();
  }, [read, onReady]);
  return reading;
}

export function ReadingLine({ reading }: { reading: Reading }) {
  if (reading.state === 'reading')
    return <Progress label="Reading the file" value={reading.done} max={reading.total} />;
  if (reading.state === 'bad') return <Failure error={reading.error} />;
  return (
    <p role="status" className="min-h-5 text-good text-sm" data-testid="reading">
      {reading.state === 'ready' ? reading.note : ''}
    </p>
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

const readPassages =
  (file: File, format: Format): Read =>
  async (signal, onProgress) => {
    if (file.size > LIMITS.input)
      throw new InputError(`the file has ${size(file.size)}, a job takes ${size(LIMITS.input)}`);
    onProgress(0, file.size);
    const [hash, units] = await Promise.all([
      hashFile(file, (done) => onProgress(done, file.size), signal),
      countInWorker(file, format, signal),
    ]);
    return {
      note: `${plural(units, 'passage')}, ${size(file.size)}`,
      prepared: {
        spec: embedSpec({ hash, size: file.size }, format),
        units: BigInt(units),
        exact: true,
        uploads: [{ name: file.name, hash, content: file }],
      },
    };
  };

export function EmbedForm({ onReady }: { onReady: OnReady }) {
  const [file, setFile] = useState<File | null>(null);
  const [chosen, setChosen] = useState<Format | null>(null);
  const format = chosen ?? (file && /\.(jsonl|ndjson)$/.test(file.name) ? 'jsonl' : 'lines');
  const reading = useReading(
    useMemo(() => file && readPassages(file, format), [file, format]),
    onReady,
  );
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

const MAGIC = [0, 0x61, 0x73, 0x6d];

const readModule =
  (module: File, input: File | null, limits: WasmLimits): Read =>
  async (signal, onProgress) => {
    const head = new Uint8Array(await module.slice(0, 4).arrayBuffer());
    if (!MAGIC.every((byte, i) => head[i] === byte))
      throw new InputError(`${module.name} is no WebAssembly module in binary form`);
    if (module.size > LIMITS.module)
      throw new InputError(`the module has ${size(module.size)}, a job takes ${size(LIMITS.module)}`);
    const content: Blob = input ?? new Blob([]);
    if (content.size > LIMITS.input)
      throw new InputError(`the input has ${size(content.size)}, a job takes ${size(LIMITS.input)}`);
    onProgress(0, module.size);
    const [moduleHash, inputHash] = await Promise.all([
      hashFile(module, undefined, signal),
      hashFile(content, undefined, signal),
    ]);
    const refOf = (hash: string, of: Blob): BlobRef => ({ hash, size: of.size });
    return {
      note: `${module.name}, ${size(module.size)}; input ${size(content.size)}`,
      prepared: {
        spec: wasmSpec(refOf(inputHash, content), refOf(moduleHash, module), limits),
        units: unitsForFuel(limits.fuel),
        exact: false,
        longest: runFor(limits.time_limit_s),
        uploads: [
          { name: module.name, hash: moduleHash, content: module },
          { name: input?.name ?? 'empty input', hash: inputHash, content },
        ],
      },
    };
  };

export function WasmForm({ onReady }: { onReady: OnReady }) {
  const [module, setModule] = useState<File | null>(null);
  const [input, setInput] = useState<File | null>(null);
  const [texts, setTexts] = useState(DEFAULTS);
  const { limits, errors } = useMemo(() => readLimits(texts), [texts]);
  const reading = useReading(
    useMemo(() => module && limits && readModule(module, input, limits), [module, input, limits]),
    onReady,
  );
  const field = (name: keyof WasmLimits, label: string) => (
    <TextField
      label={label}
      inputMode="numeric"
      value={texts[name]}
      error={errors[name]}
      onChange={(event) => setTexts({ ...texts, [name]: event.target.value })}
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
        {field('fuel', 'Most fuel')}
        {field('memory_mib', 'Most memory, MiB')}
        {field('time_limit_s', 'Longest run, seconds')}
        {field('max_output', 'Most output, bytes')}
      </div>
      <ReadingLine reading={reading} />
    </div>
  );
}

/** One short passage: enough to name the model that a lease begins with. */
const FIRST_PASSAGE = 'the lease begins\n';

async function modelOnly(): Promise<{ note: string; prepared: Prepared }> {
  const content = new Blob([FIRST_PASSAGE]);
  const hash = await hashFile(content);
  return {
    note: 'The embedding model is ready on the device when it begins.',
    prepared: {
      spec: embedSpec({ hash, size: content.size }, 'lines'),
      units: 1n,
      exact: true,
      uploads: [{ name: 'first passage', hash, content }],
    },
  };
}

const MINUTE = 60;
/** Times to choose from for what a lease may come to, seconds. */
const LONGEST = [1, 6, 24, 3 * 24, 7 * 24, 30 * 24].map((hours) => hours * 3_600);

/** A device's time: how long, how long at most, and what is ready on it when it begins. */
export function LeaseForm({ onReady }: { onReady: OnReady }) {
  const [minutes, setMinutes] = useState('60');
  const [longest, setLongest] = useState(LONGEST[2] as number);
  const [begins, setBegins] = useState<'embed' | 'wasm'>('embed');
  const [work, setWork] = useState<Prepared | null>(null);
  const seconds = /^\d{1,6}$/.test(minutes.trim()) ? Number(minutes) * MINUTE : 0;
  const good = seconds >= MIN_LEASE_SECONDS && seconds <= MAX_LEASE_SECONDS;
  useEffect(() => {
    onReady(
      work && good ? { ...work, units: BigInt(seconds), exact: false, longest: Math.max(seconds, longest) } : null,
    );
  }, [work, good, seconds, longest, onReady]);
  return (
    <div className="flex flex-col gap-4">
      <div className="grid gap-3 sm:grid-cols-2">
        <TextField
          label="Rent for, minutes"
          inputMode="numeric"
          value={minutes}
          hint={good ? duration(seconds) : undefined}
          error={good ? null : `between 1 and ${MAX_LEASE_SECONDS / MINUTE} minutes`}
          onChange={(event) => setMinutes(event.target.value)}
        />
        <SelectField
          label="May be extended to"
          hint="The device agrees to this when it takes the lease. It costs nothing now."
          value={longest}
          onChange={(event) => setLongest(Number(event.target.value))}
        >
          {LONGEST.map((one) => (
            <option key={one} value={one}>
              {duration(one)}
            </option>
          ))}
        </SelectField>
      </div>
      <fieldset className="flex flex-col gap-2 text-sm">
        <legend className="mb-2 font-medium">Ready on it when it begins</legend>
        {(
          [
            ['embed', 'The embedding model (all-MiniLM-L6-v2)'],
            ['wasm', 'A WebAssembly module of mine'],
          ] as const
        ).map(([value, label]) => (
          <label key={value} className="flex items-center gap-2">
            <input
              type="radio"
              name="begins"
              className="accent-accent"
              checked={begins === value}
              onChange={() => setBegins(value)}
            />
            {label}
          </label>
        ))}
        <p className="text-muted text-xs">
          Once it runs you send it work of any kind it offers, as often as you like: the lease’s page has the form.
        </p>
      </fieldset>
      {begins === 'wasm' ? <WasmForm onReady={setWork} /> : <ModelReady onReady={setWork} />}
    </div>
  );
}

const readModel: Read = () => modelOnly();

function ModelReady({ onReady }: { onReady: OnReady }) {
  return <ReadingLine reading={useReading(readModel, onReady)} />;
}
