import type { ButtonHTMLAttributes } from 'react';
import { cx } from './cx';

type Variant = 'primary' | 'outline' | 'ghost' | 'danger';

const VARIANTS: Record<Variant, string> = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong',
  outline: 'border border-line bg-raised hover:bg-hover',
  ghost: 'hover:bg-hover',
  danger: 'bg-bad text-on-accent hover:opacity-90',
};

export function buttonClass(variant: Variant = 'outline', className?: string) {
  return cx(
    'inline-flex min-h-9 items-center justify-center gap-2 whitespace-nowrap rounded-lg px-3 py-1.5 font-medium text-sm transition-colors',
    'disabled:cursor-not-allowed disabled:opacity-55',
    VARIANTS[variant],
    className,
  );
}

export function Button({
  variant,
  className,
  type = 'button',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { variant?: Variant }) {
  return <button type={type} className={buttonClass(variant, className)} {...rest} />;
}
