import {
  type Address,
  createNoopSigner,
  getAddressEncoder,
  getProgramDerivedAddress,
  getU16Encoder,
} from '@solana/kit';
import { useState } from 'react';
import { getEndLeaseInstruction, getExtendJobInstruction } from '@/generated/program';
import { ActStatus, useAct } from '@/shared/act';
import { associatedToken, type Kinds, PROGRAM, pda, type Read, tokenProgramOf } from '@/shared/chain';
import { duration, type Unit } from '@/shared/format';
import { useNow } from '@/shared/live';
import { Amount, Button, Card, Notice, Progress, SelectField, Time } from '@/shared/ui';
import { type ConnectedWallet, useWallet } from '@/shared/wallet';
import { extensionCost, NOBODY, runway } from './runway';

type Job = Read<Kinds['job']>;

const MORE = [600, 3_600, 6 * 3_600, 86_400];
const ENDED = ['', 'The renter has ended it.', 'The provider has given notice: it ends by itself.'];

/** A number that tells the deposits of a wallet in a job apart: any that it did not use in it yet. */
const anyIndex = () => crypto.getRandomValues(new Uint16Array(1))[0] ?? 0;

async function extend({ address, data }: Job, wallet: ConnectedWallet, seconds: bigint, most: bigint, index: number) {
  const signer = createNoopSigner(wallet.address as Address);
  const key = (of: Address) => getAddressEncoder().encode(of);
  const [deposit] = await getProgramDerivedAddress({
    programAddress: PROGRAM,
    seeds: ['deposit', key(address), key(signer.address), getU16Encoder().encode(index)],
  });
  const tokenProgram = await tokenProgramOf(data.mint);
  return getExtendJobInstruction({
    signer,
    sponsor: signer,
    network: await pda.network(),
    job: address,
    deposit,
    vault: data.vault,
    sponsorToken: await associatedToken(signer.address, data.mint, tokenProgram),
    tokenProgram,
    createdSlot: data.createdSlot,
    seconds,
    maxAmount: most,
    index,
  });
}

/** A running lease: its runway as a clock, more time with one signature, and its end. */
export function LeaseCard({ job, unit }: { job: Job; unit: Unit }) {
  const wallet = useWallet();
  const acting = useAct(wallet);
  const now = useNow();
  const [chosen, setSeconds] = useState(3_600);
  // Kept until it is used: tried again, an extension is made once at most.
  const [index, setIndex] = useState(anyIndex);
  const { data } = job;
  const { left, low } = runway(data, now);
  const goesOn = data.endedBy === NOBODY && left > 0;
  const customer = wallet && (wallet.address === data.renter || wallet.address === data.payer) ? wallet : null;
  const possible = MORE.filter((more) => extensionCost(data, BigInt(more)) !== null);
  const seconds = possible.includes(chosen) ? chosen : (possible.at(-1) ?? 0);
  const cost = extensionCost(data, BigInt(seconds));
  return (
    <Card title="Runway">
      <div className="flex flex-col gap-3">
        <div className="flex flex-wrap items-baseline justify-between gap-x-4">
          <p
            role="timer"
            className="font-semibold text-3xl tabular-nums"
            data-testid="runway"
            data-seconds={Math.round(left)}
          >
            {duration(left)}
          </p>
          <p className="text-muted text-sm">
            ends <Time at={data.runUntil} />
          </p>
        </div>
        <Progress label="Time used" value={Number(data.maxUnits) - left} max={Number(data.maxUnits)} />
        {low && goesOn && (
          <Notice tone="warn">It ends soon, and what runs on it with it. Add time now to keep it.</Notice>
        )}
        {!goesOn && (
          <Notice>{ENDED[data.endedBy] || 'Its time is over. Attested time is paid, the rest comes back.'}</Notice>
        )}
        {customer && goesOn && (
          <>
            {cost === null ? (
              <p className="text-muted text-sm">
                Its device agreed to {duration(data.maxRunSeconds)} at most: rent anew for more.
              </p>
            ) : (
              <>
                <SelectField label="Add" value={seconds} onChange={(event) => setSeconds(Number(event.target.value))}>
                  {possible.map((more) => (
                    <option key={more} value={more}>
                      {duration(more)}
                    </option>
                  ))}
                </SelectField>
                <p className="text-sm">
                  <Amount base={cost} unit={unit} /> more goes into its escrow, at most.
                </p>
              </>
            )}
            <div className="flex flex-wrap gap-2">
              <Button
                variant="primary"
                disabled={cost === null || acting.busy}
                onClick={() =>
                  acting.act(
                    async () => [await extend(job, customer, BigInt(seconds), cost ?? 0n, index)],
                    () => setIndex(anyIndex()),
                  )
                }
              >
                Add time
              </Button>
              <Button
                disabled={acting.busy}
                data-tip="Time up to now is paid, the rest comes back."
                onClick={() =>
                  acting.act(() => [
                    getEndLeaseInstruction({
                      signer: createNoopSigner(customer.address as Address),
                      provider: data.provider,
                      device: data.device,
                      job: job.address,
                    }),
                  ])
                }
              >
                End it now
              </Button>
            </div>
          </>
        )}
        <ActStatus acting={acting} />
      </div>
    </Card>
  );
}
