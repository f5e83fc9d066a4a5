import { Link } from '@tanstack/react-router';

const TABS = [
  { to: '/cloud', label: 'Offers', exact: true },
  { to: '/cloud/new', label: 'New job', exact: true },
  { to: '/cloud/jobs', label: 'My jobs', exact: false },
] as const;

export function CloudTabs() {
  return (
    <nav aria-label="Cloud" className="mb-5 flex gap-1 border-line border-b">
      {TABS.map(({ to, label, exact }) => (
        <Link
          key={to}
          to={to}
          activeOptions={{ exact, includeSearch: false }}
          className="-mb-px border-transparent border-b-2 px-3 py-2 text-muted text-sm hover:text-ink data-[status=active]:border-accent data-[status=active]:text-ink"
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}
