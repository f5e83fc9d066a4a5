import { useEffect, useRef, useState } from 'react';
import { type LeaseAnswer, type LeaseRun, leaseAnswer, leaseRequest, type RequestSigner } from '@/shared/api';
import { type Kinds, type Read, requireDeployment } from '@/shared/chain';
import { count, duration, plural, shorten } from '@/shared/format';
import { Button, Card, Failure, Progress, SelectField } from '@/shared/ui';
import { blake3Hex } from '@/shared/verify';
import { type ConnectedWallet, useWallet } from '@/shared/wallet';
import { PhaseLine } from '../submit/price';
import { type Phase, uploadAll } from '../submit/use-submit';
import { EmbedForm, type Prepared, WasmForm } from '../submit/work';
import { Result } from './result';

type State =
  | { at: 'idle' }
  | { at: 'uploading'; phase: Phase }
  | { at: 'signing' }
  | { at: 'waiting'; run: Running | null }
  | { at: 'failed'; error: unknown };

interface Done extends LeaseAnswer {
  spec: string;
}

/** What the oracle said of a request, and when, milliseconds of this machine's clock. */
interface Running extends LeaseRun {
  saidAt: number;
}

/** The request that is waited for, so that a page that is loaded again goes on waiting. */
const pending = {
  name: (job: string) => `io.lease.${job}`,
  get(job: string): string | null {
    try {
      return sessionStorage.getItem(pending.name(job));
    } catch {
      return null;
    }
  },
  set(job: string, spec: string | null) {
    try {
      if (spec === null) sessionStorage.removeItem(pending.name(job));
      else sessionStorage.setItem(pending.name(job), spec);
    } catch {}
  },
};

class Forgotten extends Error {
  readonly hint = 'It may have started anew. Run it again: what is uploaded stays uploaded.';
}

/** How far the device is, and how long it may take. */
function RunningLine({ run, stop }: { run: Running | null; stop: () => void }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  const seconds = run ? run.seconds + Math.max(0, Math.floor((now - run.saidAt) / 1_000)) : 0;
  const progress = run?.progress;
  return (
    <div className="flex flex-col gap-2 text-sm" role="status" data-testid="request">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <span>
          The device works on it
          {run && `, for ${duration(seconds)} so far. It is given up after ${duration(run.at_most)}`}.
        </span>
        <Button variant="ghost" size="small" className="underline" onClick={stop}>
          Stop waiting
        </Button>
      </div>
      {progress && progress.total > 0 && (
        <>
          <Progress label="Work done" value={progress.done} max={progress.total} />
          <p className="text-muted text-xs">
            {progress.phase}: {count(progress.done)} of {count(progress.total)}, as the device says
          </p>
        </>
      )}
    </div>
  );
}

/** Work for the device that the wallet has leased: uploaded, signed for, run, downloaded. */
export function LeaseWork({ job: { address, data } }: { job: Read<Kinds['job']> }) {
  const wallet = useWallet();
  const [engine, setEngine] = useState<'embed' | 'wasm'>('embed');
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  const [state, setState] = useState<State>({ at: 'idle' });
  const [done, setDone] = useState<Done[]>([]);
  const abort = useRef<AbortController | null>(null);
  const isMine = wallet !== null && (wallet.address === data.renter || wallet.address === data.payer);
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is known whose lease it is
  useEffect(() => {
    const spec = isMine ? pending.get(address) : null;
    if (spec) void run((signal) => follow(spec, signal));
    return () => abort.current?.abort();
  }, [isMine, address]);
  if (!wallet || !isMine) return null;

  /** Waits for what was asked for: nothing more is signed. */
  async function follow(spec: string, signal: AbortSignal, begun: LeaseRun | null = null) {
    const show = (run: LeaseRun | null) => setState({ at: 'waiting', run: run && { ...run, saidAt: Date.now() } });
    pending.set(address, spec);
    show(begun);
    try {
      const answer = await leaseAnswer(address, spec, signal, show);
      if (!answer) throw new Forgotten('the oracle knows of no such request any more');
      keep(answer, spec);
    } finally {
      if (!signal.aborted) pending.set(address, null);
    }
  }

  function keep(answer: LeaseAnswer, spec: string) {
    setDone((before) => [{ ...answer, spec }, ...before.filter((one) => one.output_hash !== answer.output_hash)]);
    setState({ at: 'idle' });
  }

  async function ask(by: ConnectedWallet, spec: string, signal: AbortSignal) {
    await requireDeployment();
    setState({ at: 'signing' });
    const before = pending.get(address);
    const signer: RequestSigner = {
      key: by.address,
      sign: async (message) => {
        const signature = await by.signMessage(message);
        // Who stopped waiting for the wallet does not send what it signs later.
        signal.throwIfAborted();
        setState({ at: 'waiting', run: null });
        pending.set(address, spec);
        return signature;
      },
    };
    try {
      const { answer, running } = await leaseRequest(signer, address, spec, signal);
      if (!answer) return await follow(spec, signal, running);
      pending.set(address, null);
      keep(answer, spec);
    } catch (error) {
      // Refused: what was asked for before goes on.
      if (!signal.aborted && pending.get(address) === spec) pending.set(address, before === spec ? null : before);
      throw error;
    }
  }

  async function run(what: (signal: AbortSignal) => Promise<void>) {
    abort.current?.abort();
    const controller = new AbortController();
    abort.current = controller;
    try {
      await what(controller.signal);
    } catch (error) {
      if (!controller.signal.aborted) setState({ at: 'failed', error });
    }
  }
  const stop = () => {
    abort.current?.abort();
    setState({ at: 'idle' });
  };
  const busy = state.at === 'uploading' || state.at === 'signing' || state.at === 'waiting';
  const left = busy ? null : pending.get(address);

  return (
    <Card title="Work for the device">
      <div className="flex flex-col gap-4">
        <SelectField
          label="Kind of work"
          value={engine}
          onChange={(event) => {
            setPrepared(null);
            setEngine(event.target.value === 'wasm' ? 'wasm' : 'embed');
          }}
        >
          <option value="embed">Text embeddings</option>
          <option value="wasm">WebAssembly</option>
        </SelectField>
        {engine === 'embed' ? <EmbedForm onReady={setPrepared} /> : <WasmForm onReady={setPrepared} />}
        <div className="flex flex-wrap items-center gap-3">
          <Button
            variant="primary"
            disabled={!prepared || busy}
            onClick={() =>
              run(async (signal) => {
                if (!prepared) return;
                const bytes = new TextEncoder().encode(prepared.spec);
                await uploadAll(prepared.spec, prepared.uploads, signal, (phase) =>
                  setState({ at: 'uploading', phase }),
                );
                await ask(wallet, blake3Hex(bytes), signal);
              })
            }
          >
            {busy ? 'Working…' : 'Run it on the device'}
          </Button>
          {left && <Button onClick={() => run((signal) => follow(left, signal))}>Wait for the result</Button>}
          {state.at === 'signing' && (
            <Button variant="ghost" onClick={stop}>
              Stop waiting
            </Button>
          )}
        </div>
        {state.at === 'uploading' && <PhaseLine phase={state.phase} stop={stop} />}
        {state.at === 'signing' && (
          <p role="status" className="text-muted text-sm">
            Sign the request in your wallet: it shows the oracle that the lease is yours.
          </p>
        )}
        {state.at === 'waiting' && <RunningLine run={state.run} stop={stop} />}
        {left && (
          <p role="status" className="text-sm">
            The device goes on with what it was asked for. Wait for the result when you like: nothing is run twice, or
            signed again.
          </p>
        )}
        {state.at === 'failed' && <Failure error={state.error} />}
        {done.map((one) => (
          <section
            key={one.output_hash}
            aria-label={`Result ${shorten(one.output_hash)}`}
            className="rounded-lg border border-line p-3"
          >
            <h3 className="mb-2 font-medium text-sm">
              Result {shorten(one.output_hash)}, {plural(one.units, 'unit')}
            </h3>
            <Result outputHash={one.output_hash} specHash={one.spec} source="oracle" />
          </section>
        ))}
        <p className="text-muted text-xs">
          Requests run one after the other, and cost nothing besides the time. Files are checked against their hashes;
          whether the device computed them rightly, nobody attests.
        </p>
      </div>
    </Card>
  );
}
