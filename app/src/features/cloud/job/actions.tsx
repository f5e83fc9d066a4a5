import { type Address, createNoopSigner, type Instruction } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import {
  getCancelJobInstruction,
  getCloseJobInstruction,
  getDisputeJobInstruction,
  getReleaseDepositInstruction,
} from '@/generated/program';
import { ActStatus, useAct } from '@/shared/act';
import { depositsQuery, type Kinds, pda, type Read, tokenProgramOf } from '@/shared/chain';
import { isFinal } from '@/shared/jobs';
import { useNow } from '@/shared/live';
import { Button } from '@/shared/ui';
import { type ConnectedWallet, useWallet } from '@/shared/wallet';

type Job = Read<Kinds['job']>;
type Deposit = Read<Kinds['deposit']>;
/** What is asked about before it is signed. */
type Grave = 'dispute' | 'close';

/** Deposits released with one signature at most: so many fit a transaction. */
const RELEASES = 6;

async function build(kind: 'cancel' | 'dispute' | 'close', { address: job, data }: Job, wallet: ConnectedWallet) {
  const signer = createNoopSigner(wallet.address as Address);
  if (kind === 'dispute')
    return [getDisputeJobInstruction({ disputer: signer, oracleSet: await pda.oracleSet(), job })];
  const tokenProgram = await tokenProgramOf(data.mint);
  const accounts = { signer, job, vault: data.vault, payerToken: data.payerToken, tokenProgram };
  return [
    kind === 'cancel' ? getCancelJobInstruction(accounts) : getCloseJobInstruction({ ...accounts, payer: data.payer }),
  ];
}

async function release(
  { address: job, data }: Job,
  deposits: readonly Deposit[],
  wallet: ConnectedWallet,
): Promise<Instruction[]> {
  const tokenProgram = await tokenProgramOf(data.mint);
  return deposits.slice(0, RELEASES).map((deposit) =>
    getReleaseDepositInstruction({
      signer: createNoopSigner(wallet.address as Address),
      sponsor: deposit.data.sponsor,
      job,
      deposit: deposit.address,
      vault: data.vault,
      destination: deposit.data.tokenAccount,
      tokenProgram,
    }),
  );
}

const GRAVE: Record<Grave, { title: string; text: string; yes: string; no: string }> = {
  dispute: {
    title: 'Dispute the result?',
    text: 'Every oracle then runs the work again, and what they have signed so far counts no more. A quorum of them settles the job or rejects the result; if none decides in time, the escrow comes back. It costs the transaction’s fee only, and can not be taken back.',
    yes: 'Dispute it',
    no: 'Let it settle',
  },
  close: {
    title: 'Close the job?',
    text: 'The rent of its account comes back to the payer, and the chain forgets the job. Oracles keep its record, and drop its files after a time, often a day: download the result first if you need it.',
    yes: 'Close it for good',
    no: 'Keep it',
  },
};

/** Says what a step does, and asks. */
function Asking({ what, yes, no }: { what: Grave; yes: () => void; no: () => void }) {
  const words = GRAVE[what];
  return (
    <section
      aria-label={words.title}
      className="flex max-w-md flex-col gap-2 rounded-xl border border-warn/40 bg-warn/5 px-4 py-3 text-sm"
    >
      <p className="font-medium">{words.title}</p>
      <p>{words.text}</p>
      <div className="flex flex-wrap gap-2">
        <Button variant="danger" onClick={yes}>
          {words.yes}
        </Button>
        <Button autoFocus onClick={no}>
          {words.no}
        </Button>
      </div>
    </section>
  );
}

/** What the connected wallet may do to this job now. */
export function Actions({ job }: { job: Job }) {
  const wallet = useWallet();
  const acting = useAct(wallet);
  const now = useNow();
  const [asking, setAsking] = useState<Grave | null>(null);
  const { data } = job;
  const ended = isFinal(data.state);
  const deposits = useQuery({ ...depositsQuery(job.address), enabled: ended && data.deposits > 0 });
  if (!wallet) return null;
  const isRenter = wallet.address === data.renter;
  const pays = isRenter || wallet.address === data.payer;
  const waiting = data.deposits > 0 ? (deposits.data ?? []) : [];
  const mine = waiting.filter(({ data }) => data.sponsor === wallet.address);
  const may = {
    cancel: pays && data.state === 1,
    dispute: isRenter && data.state === 3 && Number(data.challengeUntil) > now,
    close: pays && ended && data.deposits === 0,
    release: ended && (pays ? waiting : mine).length > 0,
  };
  return (
    <div className="flex flex-col items-end gap-2">
      <div className="flex flex-wrap justify-end gap-2">
        {may.cancel && (
          <Button
            variant="danger"
            disabled={acting.busy}
            onClick={() => acting.act(() => build('cancel', job, wallet))}
            data-tip="The whole escrow comes back."
          >
            Cancel
          </Button>
        )}
        {may.dispute && (
          <Button
            variant="danger"
            disabled={acting.busy}
            onClick={() => setAsking('dispute')}
            data-tip="A quorum of oracles decides, or the escrow comes back when their time is over."
          >
            Dispute the result
          </Button>
        )}
        {may.release && (
          <Button
            variant="primary"
            disabled={acting.busy}
            onClick={() => acting.act(() => release(job, pays ? waiting : mine, wallet))}
            data-tip="What time added later, or sponsors paid, did not cost: to whoever put it in."
          >
            Take back what was added
          </Button>
        )}
        {may.close && (
          <Button
            disabled={acting.busy}
            onClick={() => setAsking('close')}
            data-tip="Its rent comes back to the payer, and the chain forgets it."
          >
            Close
          </Button>
        )}
      </div>
      {asking && may[asking] && !acting.busy && (
        <Asking
          what={asking}
          yes={() => {
            setAsking(null);
            void acting.act(() => build(asking, job, wallet));
          }}
          no={() => setAsking(null)}
        />
      )}
      <ActStatus acting={acting} />
    </div>
  );
}
