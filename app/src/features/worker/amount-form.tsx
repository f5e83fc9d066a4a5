import { type ReactNode, useState } from 'react';
import { exact, IO, parseAmount } from '@/shared/format';
import { TextField } from '@/shared/ui';

/** An amount of IO that is typed, checked, and handed to what acts on it. */
export function AmountForm({
  label,
  most,
  mostWords,
  children,
}: {
  label: string;
  /** Base units; undefined while it is read. */
  most: bigint | undefined;
  mostWords: string;
  children: (amount: bigint | null, clear: () => void) => ReactNode;
}) {
  const [text, setText] = useState('');
  let [amount, error]: [bigint | null, string | null] = [null, null];
  if (text.trim()) {
    try {
      amount = parseAmount(text, IO);
      if (amount === 0n) [amount, error] = [null, 'more than 0'];
      else if (most !== undefined && amount > most) [amount, error] = [null, `${exact(most, IO)} at most`];
    } catch (failure) {
      error = (failure as Error).message;
    }
  }
  return (
    <div className="flex flex-col gap-3">
      <TextField
        label={label}
        inputMode="decimal"
        placeholder="0.00"
        value={text}
        error={error}
        hint={most === undefined ? 'Reading…' : `${mostWords}: ${exact(most, IO)}`}
        onChange={(event) => setText(event.target.value)}
      />
      {children(amount, () => setText(''))}
    </div>
  );
}
