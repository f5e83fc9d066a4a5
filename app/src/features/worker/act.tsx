import type { Instruction } from '@solana/kit';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { type Step, send } from '@/shared/chain';
import { Button, Failure } from '@/shared/ui';
import type { ConnectedWallet } from '@/shared/wallet';

const STEPS: Record<Step, string> = {
  preparing: 'Simulating…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
  confirmed: 'Done.',
};

/** A button that sends a transaction, and says how that goes. */
export function Act({
  wallet,
  build,
  onDone,
  children,
  variant = 'primary',
  disabled,
  tip,
}: {
  wallet: ConnectedWallet;
  build: () => Promise<Instruction[]>;
  onDone?: () => void;
  children: ReactNode;
  variant?: 'primary' | 'outline' | 'danger';
  disabled?: boolean;
  tip?: string;
}) {
  const client = useQueryClient();
  const [step, setStep] = useState<Step | null>(null);
  const [error, setError] = useState<unknown>(null);
  async function act() {
    setError(null);
    setStep('preparing');
    try {
      await send(wallet, await build(), { onStep: setStep });
      await client.invalidateQueries({ queryKey: ['chain'] });
      onDone?.();
    } catch (failure) {
      setError(failure);
      setStep(null);
    }
  }
  const busy = step !== null && step !== 'confirmed';
  return (
    <div className="flex flex-col items-start gap-2">
      <Button variant={variant} disabled={disabled || busy} onClick={act} data-tip={tip}>
        {children}
      </Button>
      {step && (
        <p role="status" className="text-muted text-sm">
          {STEPS[step]}
        </p>
      )}
      {error !== null && <Failure error={error} />}
    </div>
  );
}
