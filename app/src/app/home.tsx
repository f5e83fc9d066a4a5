import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';
import { buttonClass } from '@/shared/ui/button';
import { Card } from '@/shared/ui/layout';

/** Reads the chain, whose decoders are not in the first load. */
const Glance = lazy(() => import('./glance'));

const FACES = [
  {
    to: '/cloud',
    title: 'Cloud',
    text: 'Rent devices by the job or by the second.',
    points: [
      'Offers with filters that make a link',
      'One signature, and the most it can cost before it',
      'Results verified on your side; the rest comes back',
    ],
    go: 'See offers',
  },
  {
    to: '/worker',
    title: 'Worker',
    text: 'Let your hardware earn.',
    points: [
      'Load, temperature, power and health, live',
      'Rewards each epoch, and why: recomputed here',
      'Stake, co-stake, profit at your own prices',
    ],
    go: 'Offer hardware',
  },
  {
    to: '/explorer',
    title: 'Explorer',
    text: 'Look at everything, take nothing on trust.',
    points: [
      'Any id leads to its page; transactions in words',
      'Supply against its cap, emission, burns, prices',
      'What is shown as CSV or JSON',
    ],
    go: 'Look around',
  },
] as const;

const STEPS = [
  [
    'You escrow',
    'The most a job can cost goes into an account of that job alone. Nobody can move it but by its rules.',
  ],
  ['A device works', 'Oracles match the job to a device whose stake vouches for it.'],
  [
    'Oracles check',
    'Those that are drawn to audit run the work again, or a sample that nobody could foresee: all of them, on a device without a long record. Each signs what it found.',
  ],
  ['The program pays', 'On a quorum’s signatures, for what was attested. Whatever isn’t used comes back to you.'],
] as const;

export function Home() {
  useEffect(() => {
    document.title = 'IO Network: an open market for GPU compute';
  }, []);
  return (
    <div className="mx-auto flex w-full max-w-7xl flex-col gap-8 px-4 py-8 sm:px-6 sm:py-12">
      <header className="max-w-3xl">
        <h1 className="text-balance font-semibold text-3xl tracking-tight sm:text-5xl">
          An open market for GPU compute
        </h1>
        <p className="mt-4 text-lg text-muted">
          Settled on Solana. A wallet is all you need: no account, no e-mail. Every hash and every signature is checked
          in your browser.
        </p>
        <div className="mt-6 flex flex-wrap gap-3">
          <Link to="/cloud/new" className={buttonClass('primary', undefined, 'large')}>
            Run a job
          </Link>
          <Link to="/worker/setup" className={buttonClass('outline', undefined, 'large')}>
            Offer a device
          </Link>
        </div>
      </header>
      <section aria-label="The network now" className="min-h-44 md:min-h-[5.5rem]">
        <Suspense>
          <Glance />
        </Suspense>
      </section>
      <div className="grid gap-4 md:grid-cols-3">
        {FACES.map(({ to, title, text, points, go }) => (
          <Card key={to} title={title} className="flex flex-col">
            <p className="text-sm">{text}</p>
            <ul className="mt-3 mb-5 grid flex-1 content-start gap-2 text-muted text-sm">
              {points.map((point) => (
                <li key={point} className="flex gap-2">
                  <span aria-hidden className="text-accent">
                    ✓
                  </span>
                  {point}
                </li>
              ))}
            </ul>
            <div>
              <Link to={to} className={buttonClass('outline')}>
                {go}
              </Link>
            </div>
          </Card>
        ))}
      </div>
      <section aria-labelledby="how">
        <h2 id="how" className="mb-4 font-semibold text-xl tracking-tight">
          How a job goes
        </h2>
        <ol className="grid gap-x-6 gap-y-5 sm:grid-cols-2 lg:grid-cols-4">
          {STEPS.map(([title, text], i) => (
            <li key={title} className="border-accent border-t-2 pt-3">
              <p className="font-medium">
                <span className="mr-2 text-muted tabular-nums">{i + 1}</span>
                {title}
              </p>
              <p className="mt-1 text-muted text-sm">{text}</p>
            </li>
          ))}
        </ol>
      </section>
    </div>
  );
}
