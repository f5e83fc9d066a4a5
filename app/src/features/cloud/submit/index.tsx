import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { Card, Page } from '@/shared/ui';
import { ENGINES, type Engine, type Filters, VERIFICATION } from '../offers/filters';
import { RequirementFields } from '../offers/requirement';
import { CloudTabs } from '../tabs';
import { PriceCard } from './price';
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
  const filters = useSearch({ from: '/cloud/new' });
  const navigate = useNavigate({ from: '/cloud/new' });
  const engine = filters.engine ?? 'embed';
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  const set = (change: Filters) => navigate({ search: (before) => ({ ...before, ...change }), replace: true });
  const Form = FORMS[engine];
  return (
    <Page title="New job" lead="Choose the work, see what it costs at most, sign once. Whatever isn’t used comes back.">
      <CloudTabs />
      <div className="grid items-start gap-4 lg:grid-cols-[3fr_2fr]">
        <div className="flex min-w-0 flex-col gap-4">
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
                      setPrepared(null);
                      void set({ engine: one });
                    }}
                  />
                  <span>
                    <span className="block font-medium text-sm">{TEMPLATES[one].title}</span>
                    <span className="block text-muted text-xs">{TEMPLATES[one].text}</span>
                  </span>
                </label>
              ))}
            </fieldset>
            <Form onReady={setPrepared} />
            <p className="mt-4 text-muted text-xs">
              Verified {VERIFICATION[engine].name}: {VERIFICATION[engine].text}.
            </p>
          </Card>
          <Card title="On which devices">
            <div className="grid grid-cols-2 gap-3 sm:grid-cols-4">
              <RequirementFields filters={filters} set={set} />
            </div>
          </Card>
        </div>
        <PriceCard engine={engine} prepared={prepared} />
      </div>
    </Page>
  );
}
