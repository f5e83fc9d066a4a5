import { useRef, useState } from 'react';
import { type LeaseAnswer, leaseRequest, type RequestSigner } from '@/shared/api';
import type { Kinds, Read } from '@/shared/chain';
import { plural, shorten } from '@/shared/format';
import { Button, Card, Failure, SelectField } from '@/shared/ui';
import { blake3Hex } from '@/shared/verify';
import { type ConnectedWallet, useWallet } from '@/shared/wallet';
import { PhaseLine } from '../submit/price';
import { type Phase, uploadAll } from '../submit/use-submit';
import { EmbedForm, type Prepared, WasmForm } from '../submit/work';
import { Result } from './result';

type State =
  | { at: 'idle' }
  | { at: 'uploading'; phase: Phase }
  | { at: 'signing' | 'asking' }
  | { at: 'working'; spec: string }
  | { at: 'failed'; error: unknown };

interface Done extends LeaseAnswer {
  spec: string;
}

const WORDS: Partial<Record<State['at'], string>> = {
  signing: 'Sign the request in your wallet: it shows the oracle that the lease is yours.',
  asking: 'The device works on it…',
};

/** Work for the device that the wallet has leased: uploaded, signed for, run, downloaded. */
export function LeaseWork({ job: { address, data } }: { job: Read<Kinds['job']> }) {
  const wallet = useWallet();
  const [engine, setEngine] = useState<'embed' | 'wasm'>('embed');
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  const [state, setState] = useState<State>({ at: 'idle' });
  const [done, setDone] = useState<Done[]>([]);
  const abort = useRef<AbortController | null>(null);
  if (!wallet || (wallet.address !== data.renter && wallet.address !== data.payer)) return null;

  async function ask(by: ConnectedWallet, spec: string, signal: AbortSignal) {
    setState({ at: 'signing' });
    const signer: RequestSigner = {
      key: by.address,
      sign: async (message) => {
        const signature = await by.signMessage(message);
        setState({ at: 'asking' });
        return signature;
      },
    };
    const answer = await leaseRequest(signer, address, spec, signal);
    if (signal.aborted) return;
    if (!answer) return setState({ at: 'working', spec });
    setDone((before) => [{ ...answer, spec }, ...before.filter((one) => one.output_hash !== answer.output_hash)]);
    setState({ at: 'idle' });
  }

  async function run(what: (signal: AbortSignal) => Promise<void>) {
    const controller = new AbortController();
    abort.current = controller;
    try {
      await what(controller.signal);
    } catch (error) {
      setState(controller.signal.aborted ? { at: 'idle' } : { at: 'failed', error });
    }
  }
  const stop = () => {
    abort.current?.abort();
    setState({ at: 'idle' });
  };
  const busy = state.at === 'uploading' || state.at === 'signing' || state.at === 'asking';

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
          {state.at === 'working' && (
            <Button onClick={() => run((signal) => ask(wallet, state.spec, signal))}>Ask for the result again</Button>
          )}
          {(state.at === 'signing' || state.at === 'asking') && (
            <Button variant="ghost" onClick={stop}>
              Stop waiting
            </Button>
          )}
        </div>
        {state.at === 'uploading' && <PhaseLine phase={state.phase} stop={stop} />}
        {state.at === 'working' && (
          <p role="status" className="text-sm">
            The device is still at it. Ask again when you like: what runs goes on, and is not run twice.
          </p>
        )}
        {WORDS[state.at] && (
          <p role="status" className="text-muted text-sm">
            {WORDS[state.at]}
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
            <Result outputHash={one.output_hash} specHash={one.spec} />
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
