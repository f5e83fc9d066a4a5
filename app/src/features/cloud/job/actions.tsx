import { type Address, createNoopSigner, type Instruction } from '@solana/kit';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { getCancelJobInstruction, getCloseJobInstruction, getDisputeJobInstruction } from '@/generated/program';
import { accountKey, type Kinds, pda, type Read, type Step, send, tokenProgramOf } from '@/shared/chain';
import { isFinal } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { Button, Failure } from '@/shared/ui';
import { type ConnectedWallet, useWallet } from '@/shared/wallet';

type Job = Read<Kinds['job']>;

async function build(
  kind: 'cancel' | 'dispute' | 'close',
  { address: job, data }: Job,
  wallet: ConnectedWallet,
): Promise<Instruction> {
  const signer = createNoopSigner(wallet.address as Address);
  if (kind === 'dispute') return getDisputeJobInstruction({ disputer: signer, oracleSet: await pda.oracleSet(), job });
  const tokenProgram = await tokenProgramOf(data.mint);
  const accounts = { signer, job, vault: data.vault, payerToken: data.payerToken, tokenProgram };
  return kind === 'cancel'
    ? getCancelJobInstruction(accounts)
    : getCloseJobInstruction({ ...accounts, payer: data.payer });
}

const STEPS: Record<Step, string> = {
  preparing: 'Simulating…',
  signing: 'Sign it in your wallet…',
  sending: 'Sent. Waiting for the chain…',
  confirmed: 'Done.',
};

/** What the connected wallet may do to this job now. */
export function Actions({ job }: { job: Job }) {
  const wallet = useWallet();
  const now = useNow();
  const client = useQueryClient();
  const [step, setStep] = useState<Step | null>(null);
  const [error, setError] = useState<unknown>(null);
  const { data } = job;
  if (!wallet) return null;
  const isRenter = wallet.address === data.renter;
  const pays = isRenter || wallet.address === data.payer;
  const may = {
    cancel: pays && data.state === 1,
    dispute: isRenter && data.state === 3 && Number(data.challengeUntil) > now,
    close: pays && isFinal(data.state),
  };
  async function act(kind: keyof typeof may) {
    if (!wallet) return;
    setError(null);
    try {
      await send(wallet, [await build(kind, job, wallet)], { onStep: setStep });
      await client.invalidateQueries({ queryKey: accountKey(job.address) });
    } catch (failure) {
      setError(failure);
    }
    setStep(null);
  }
  const busy = step !== null;
  return (
    <div className="flex flex-col items-end gap-2">
      <div className="flex gap-2">
        {may.cancel && (
          <Button
            variant="danger"
            disabled={busy}
            onClick={() => act('cancel')}
            data-tip="The whole escrow comes back."
          >
            Cancel
          </Button>
        )}
        {may.dispute && (
          <Button
            variant="danger"
            disabled={busy}
            onClick={() => act('dispute')}
            data-tip="A quorum of oracles decides, or the escrow comes back when their time is over."
          >
            Dispute the result
          </Button>
        )}
        {may.close && (
          <Button
            disabled={busy}
            onClick={() => act('close')}
            data-tip="Its rent comes back to the payer; its history stays with the oracles."
          >
            Close
          </Button>
        )}
      </div>
      {step && (
        <p role="status" className="text-sm">
          {STEPS[step]}
        </p>
      )}
      {error !== null && <Failure error={error} />}
    </div>
  );
}
