import { type ReactNode, useEffect, useRef, useState } from 'react';
import { Skeleton } from './states';

/** How far from the window a part counts as near it. */
const NEAR = '300px';
/** After so long a browser that is never idle goes on all the same, milliseconds; and one that does not say when it is. */
const IDLE_TIMEOUT_MS = 4_000;
const IDLE_MS = 250;
/** What is not near the window waits until somebody does something, or for so long after the page began: a phone has enough to do. */
const CALM_MS = 6_000;
const DOES = ['pointerdown', 'keydown', 'wheel', 'touchmove'] as const;

const waiting = new Set<() => void>();
let calm: Promise<void> | undefined;

function untilCalm(): Promise<void> {
  calm ??= new Promise((resolve) => {
    setTimeout(resolve, Math.max(0, CALM_MS - performance.now()));
    for (const does of DOES) addEventListener(does, () => resolve(), { once: true, passive: true });
  });
  return calm;
}

function idle() {
  if ('requestIdleCallback' in window) requestIdleCallback(next, { timeout: IDLE_TIMEOUT_MS });
  else setTimeout(next, IDLE_MS);
}

/** One at a time, so that the page stays smooth. */
function next() {
  const [first] = waiting;
  if (!first) return;
  waiting.delete(first);
  first();
  if (waiting.size > 0) idle();
}

function whenIdle(what: () => void): () => void {
  waiting.add(what);
  if (waiting.size === 1) void untilCalm().then(idle);
  return () => waiting.delete(what);
}

/** A part of a long page, below what is seen first: made when it comes near the window, or when there is nothing else to do. */
export function Later({ className, children }: { className: string; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  const [made, setMade] = useState(false);
  useEffect(() => {
    const element = place.current;
    if (made || !element) return;
    const make = () => setMade(true);
    const near = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && make(), {
      rootMargin: NEAR,
    });
    near.observe(element);
    const stop = whenIdle(make);
    return () => {
      near.disconnect();
      stop();
    };
  }, [made]);
  if (made) return children;
  return (
    <div ref={place} role="status" aria-label="Loading">
      <Skeleton className={className} />
    </div>
  );
}
