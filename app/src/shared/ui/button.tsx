import type { ButtonHTMLAttributes } from 'react';
import { cx } from './cx';

type Variant = 'primary' | 'outline' | 'ghost' | 'danger';

const VARIANTS: Record<Variant, string> = {
  primary: 'bg-accent text-on-accent hover:bg-accent-strong',
  outline: 'border border-line bg-raised hover:bg-hover',
  ghost: 'hover:bg-hover',
  danger: 'bg-bad text-on-accent hover:opacity-90',
};

type Size = 'small' | 'usual' | 'large';

const SIZES: Record<Size, string> = {
  small: 'px-1.5 py-0 text-sm',
  usual: 'min-h-9 px-3 py-1.5 text-sm',
  large: 'min-h-11 px-5 py-2 text-base',
};

export function buttonClass(variant: Variant = 'outline', className?: string, size: Size = 'usual') {
  return cx(
    'inline-flex items-center justify-center gap-2 whitespace-nowrap rounded-lg font-medium transition-colors',
    'disabled:cursor-not-allowed disabled:opacity-55',
    SIZES[size],
    VARIANTS[variant],
    className,
  );
}

export function Button({
  variant,
  className,
  size,
  type = 'button',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { variant?: Variant; size?: Size }) {
  return <button type={type} className={buttonClass(variant, className, size)} {...rest} />;
}
