import { Link, useNavigate } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { Button } from '@/shared/ui';

const TABS = [
  { to: '/explorer', label: 'Network', exact: true },
  { to: '/explorer/devices', label: 'Devices', exact: false },
  { to: '/explorer/providers', label: 'Providers', exact: false },
  { to: '/explorer/jobs', label: 'Jobs', exact: false },
  { to: '/explorer/epochs', label: 'Rewards', exact: false },
  { to: '/explorer/oracles', label: 'Oracles', exact: false },
] as const;

/** Any id leads somewhere from here. */
export function SearchBox({ initial = '' }: { initial?: string }) {
  const [text, setText] = useState(initial);
  const navigate = useNavigate();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim()) void navigate({ to: '/explorer/search', search: { q: text.trim() } });
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: older screen readers know the role, not the element
    <form role="search" onSubmit={submit} className="flex min-w-0 flex-1 gap-2 sm:max-w-md">
      <input
        type="search"
        aria-label="Search by job, device, provider, oracle, transaction or epoch"
        placeholder="Job, device, provider, oracle, transaction, epoch"
        value={text}
        spellCheck={false}
        autoComplete="off"
        onChange={(event) => setText(event.target.value)}
        className="min-h-9 w-full min-w-0 rounded-lg border border-line bg-raised px-3 py-1.5 text-sm placeholder:text-muted"
      />
      <Button type="submit">Search</Button>
    </form>
  );
}

export function ExplorerTabs({ query }: { query?: string }) {
  return (
    <div className="mb-5 flex flex-wrap-reverse items-end justify-between gap-x-6 gap-y-3 border-line border-b">
      <nav aria-label="Explorer" className="flex min-w-0 gap-1 overflow-x-auto">
        {TABS.map(({ to, label, exact }) => (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact, includeSearch: false }}
            className="-mb-px whitespace-nowrap border-transparent border-b-2 px-3 py-2 text-muted text-sm hover:text-ink data-[status=active]:border-accent data-[status=active]:text-ink"
          >
            {label}
          </Link>
        ))}
      </nav>
      <div className="mb-2 flex w-full sm:w-auto sm:flex-1 sm:justify-end">
        <SearchBox key={query} initial={query} />
      </div>
    </div>
  );
}
