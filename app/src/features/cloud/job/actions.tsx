import { type Address, createNoopSigner, type Instruction } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
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

/** What the connected wallet may do to this job now. */
export function Actions({ job }: { job: Job }) {
  const wallet = useWallet();
  const acting = useAct(wallet);
  const now = useNow();
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
            onClick={() => acting.act(() => build('dispute', job, wallet))}
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
            onClick={() => acting.act(() => build('close', job, wallet))}
            data-tip="Its rent comes back to the payer; its history stays with the oracles."
          >
            Close
          </Button>
        )}
      </div>
      <ActStatus acting={acting} />
    </div>
  );
}
