/** Values with units, exact on hover, with the keyboard, and for whoever listens. */
import { useState } from 'react';
import { ago, clock, exact, percent, short, shorten, type Unit, utc } from '@/shared/format';
import { useNow } from '@/shared/live';
import { cx } from './cx';
import { useTip } from './tip';

export function Amount({ base, unit, className }: { base: bigint | string; unit: Unit; className?: string }) {
  const value = BigInt(base);
  const [shown, whole] = [short(value, unit), exact(value, unit)];
  const tip = useTip(shown === whole ? undefined : whole);
  return (
    <data value={value.toString()} {...tip} className={cx('relative tabular-nums whitespace-nowrap', className)}>
      {shown === whole ? (
        shown
      ) : (
        <>
          <span aria-hidden>{shown}</span>
          <span className="sr-only select-none">{whole}</span>
        </>
      )}
    </data>
  );
}

/** A key or hash: shortened, whole on hover, copied on click. */
export function Hash({
  value,
  head = 4,
  tail = 4,
  label,
}: {
  value: string;
  head?: number;
  tail?: number;
  label?: string;
}) {
  const [copied, setCopied] = useState(false);
  return (
    <button
      type="button"
      data-tip={copied ? 'copied' : value}
      aria-label={`Copy ${label ?? 'value'} ${shorten(value, 6, 6)}`}
      className="max-w-full break-all rounded text-left font-mono text-[0.92em] decoration-dotted underline-offset-4 hover:underline"
      onClick={() =>
        navigator.clipboard.writeText(value).then(() => {
          setCopied(true);
          setTimeout(() => setCopied(false), 1_500);
        })
      }
    >
      {shorten(value, head, tail)}
    </button>
  );
}

/** A time: how long ago, exactly on hover. */
export function Time({ at, className }: { at: number | bigint; className?: string }) {
  const now = useNow();
  const tip = useTip(`${clock(at)} · ${utc(at)}`);
  return (
    <time dateTime={new Date(Number(at) * 1000).toISOString()} {...tip} className={cx('whitespace-nowrap', className)}>
      {ago(at, now)}
    </time>
  );
}

export function Percent({ bps }: { bps: number }) {
  return <span {...useTip(`${bps} basis points`)}>{percent(bps)}</span>;
}

export type Tone = 'good' | 'bad' | 'warn' | 'info' | 'quiet';
const TONES: Record<Tone, string> = {
  good: 'text-good bg-good/10',
  bad: 'text-bad bg-bad/10',
  warn: 'text-warn bg-warn/10',
  info: 'text-accent bg-accent/10',
  quiet: 'text-muted bg-hover',
};

export function Badge({ tone = 'quiet', children, tip }: { tone?: Tone; children: React.ReactNode; tip?: string }) {
  return (
    <span
      {...useTip(tip)}
      className={cx(
        'inline-flex items-center gap-1 whitespace-nowrap rounded-full px-2 py-0.5 font-medium text-xs',
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}
