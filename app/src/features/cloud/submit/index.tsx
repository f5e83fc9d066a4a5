import { useNavigate, useSearch } from '@tanstack/react-router';
import { useCallback, useState } from 'react';
import { Card, Page } from '@/shared/ui';
import { ENGINES, type Engine, engineOf, type NewJob, VERIFICATION } from '../offers/filters';
import { RequirementFields } from '../offers/requirement';
import { CloudTabs } from '../tabs';
import { AgainForm } from './again';
import { PriceCard } from './price';
import { isBusy, useSubmit } from './use-submit';
import { EmbedForm, LeaseForm, type Prepared, WasmForm } from './work';

const TEMPLATES: Record<Engine, { title: string; text: string }> = {
  embed: {
    title: 'Text embeddings',
    text: 'Each line of a text file becomes a vector of 384 numbers (all-MiniLM-L6-v2).',
  },
  wasm: { title: 'WebAssembly', text: 'Your own module on your input, metered by fuel and repeated bit by bit.' },
  lease: { title: 'Device lease', text: 'A device of your own by the second, for as much work as you send it.' },
};

const FORMS: Record<Engine, typeof EmbedForm> = { embed: EmbedForm, wasm: WasmForm, lease: LeaseForm };

export function SubmitPage() {
  const { again, ...filters } = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate({ from: '/cloud/new' });
  const engine = engineOf(filters);
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  const submitting = useSubmit();
  const { stop } = submitting;
  // What is chosen anew ends what is being sent.
  const take = useCallback(
    (next: Prepared | null) => {
      stop();
      setPrepared(next);
    },
    [stop],
  );
  const set = (change: NewJob) => navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const Form = FORMS[engine];
  return (
    <Page title="New job" lead="Choose the work, see what it costs at most, sign once. Whatever isn’t used comes back.">
      <CloudTabs />
      <div className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
        <fieldset disabled={isBusy(submitting.phase)} className="flex min-w-0 flex-col gap-4">
          <Card title="Work">
            <fieldset className="mb-4 grid gap-3 sm:grid-cols-3">
              <legend className="sr-only">Kind of work</legend>
              {ENGINES.map((one) => (
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
                      take(null);
                      void set({ engine: one, verification: undefined, again: undefined });
                    }}
                  />
                  <span>
                    <span className="block font-medium text-sm">{TEMPLATES[one].title}</span>
                    <span className="block text-muted text-xs">{TEMPLATES[one].text}</span>
                  </span>
                </label>
              ))}
            </fieldset>
            {again ? (
              <AgainForm job={again} engine={engine} onReady={take} leave={() => set({ again: undefined })} />
            ) : (
              <Form onReady={take} />
            )}
            <p className="mt-4 text-muted text-xs">
              Verified {VERIFICATION[engine].name}: {VERIFICATION[engine].text}.
            </p>
            <p className="mt-2 text-muted text-xs">
              <strong className="font-medium text-ink">Nothing here is private:</strong> input, job description and
              result can be read by anyone who knows their hashes, and the chain leads to them. Send no secrets.
            </p>
          </Card>
          <Card title="On which devices">
            <div className="grid grid-cols-2 gap-3 sm:grid-cols-4">
              <RequirementFields filters={filters} set={set} />
            </div>
          </Card>
        </fieldset>
        <PriceCard engine={engine} prepared={prepared} submitting={submitting} />
      </div>
    </Page>
  );
}
