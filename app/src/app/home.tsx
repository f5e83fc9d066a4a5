import { Link } from '@tanstack/react-router';
import { buttonClass } from '@/shared/ui/button';
import { Card, Page } from '@/shared/ui/layout';

const FACES = [
  {
    to: '/cloud',
    title: 'Cloud',
    text: 'Rent devices: pick an offer, upload, sign once. The result comes verified; what isn’t used comes back.',
    go: 'Rent',
  },
  {
    to: '/worker',
    title: 'Worker',
    text: 'Offer your hardware: register, stake, watch load and temperature, claim rewards, see why you were paid.',
    go: 'Provide',
  },
  {
    to: '/explorer',
    title: 'Explorer',
    text: 'Look at everything: devices, jobs, epochs, oracles, supply. Each figure comes from the chain.',
    go: 'Look around',
  },
] as const;

export function Home() {
  return (
    <Page
      title="An open market for GPU compute"
      lead="Settled on Solana. A wallet is all you need; every hash and signature is checked in your browser."
    >
      <div className="grid gap-4 md:grid-cols-3">
        {FACES.map(({ to, title, text, go }) => (
          <Card key={to} title={title}>
            <p className="mb-4 min-h-16 text-muted text-sm">{text}</p>
            <Link to={to} className={buttonClass('primary')}>
              {go}
            </Link>
          </Card>
        ))}
      </div>
    </Page>
  );
}
