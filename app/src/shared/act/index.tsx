/** Buttons that send a transaction, and say how that goes. */
import type { Instruction } from '@solana/kit';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useRef, useState } from 'react';
import { SendFailure, type Step, send } from '@/shared/chain';
import { Button, Failure } from '@/shared/ui';
import type { ConnectedWallet } from '@/shared/wallet';

const STEPS: Record<Step, string> = {
  preparing: 'Simulating…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
  confirmed: 'Done.',
};

export type Build = () => Instruction[] | Promise<Instruction[]>;

export interface Acting {
  step: Step | null;
  error: unknown;
  busy: boolean;
  act: (build: Build, onDone?: () => void) => Promise<void>;
  stop: () => void;
}

/** One transaction at a time, for one or several buttons. */
export function useAct(wallet: ConnectedWallet | null): Acting {
  const client = useQueryClient();
  const [step, setStep] = useState<Step | null>(null);
  const [error, setError] = useState<unknown>(null);
  const abort = useRef<AbortController | null>(null);
  async function act(build: Build, onDone?: () => void) {
    if (!wallet) return;
    const controller = new AbortController();
    abort.current = controller;
    setError(null);
    setStep('preparing');
    try {
      await send(wallet, await build(), { onStep: setStep, signal: controller.signal });
      await client.invalidateQueries({ queryKey: ['chain'] });
      onDone?.();
    } catch (failure) {
      setError(failure);
      setStep(null);
      // What it is about shows whether it is done all the same.
      if (failure instanceof SendFailure && failure.mayHaveLanded)
        await client.invalidateQueries({ queryKey: ['chain'] });
    }
  }
  return { step, error, busy: step !== null && step !== 'confirmed', act, stop: () => abort.current?.abort() };
}

export function ActStatus({ acting: { step, error, stop } }: { acting: Acting }) {
  return (
    <>
      {step && (
        <p role="status" className="flex flex-wrap items-center gap-2 text-muted text-sm">
          {STEPS[step]}
          {step === 'signing' && (
            <Button variant="ghost" size="small" className="underline" onClick={stop}>
              Stop waiting
            </Button>
          )}
        </p>
      )}
      {error !== null && <Failure error={error} />}
    </>
  );
}

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
  build: Build;
  onDone?: () => void;
  children: ReactNode;
  variant?: 'primary' | 'outline' | 'danger';
  disabled?: boolean;
  tip?: string;
}) {
  const acting = useAct(wallet);
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      <Button
        variant={variant}
        disabled={disabled || acting.busy}
        onClick={() => acting.act(build, onDone)}
        data-tip={tip}
      >
        {children}
      </Button>
      <ActStatus acting={acting} />
    </div>
  );
}
