import { getBase58Encoder } from '@solana/kit';
import { useQuery } from '@tanstack/react-query';
import { type LeaseCount, leaseCountsQuery } from '@/shared/api';
import { type Kinds, membersOf, oracleSetQuery, type Read } from '@/shared/chain';
import { config } from '@/shared/config';
import { duration } from '@/shared/format';
import { Badge, Hash, Loaded, Skeleton, Time } from '@/shared/ui';
import { type Deployment, keyBytes, leaseBytes, verifySignature } from '@/shared/verify';

/** Whether an oracle signed a total of this very lease, of no more than it says it counted. */
function holds(
  { oracle, seconds, signed }: LeaseCount,
  { address, data }: Read<Kinds['job']>,
  deployment: Deployment,
): boolean {
  if (!signed || signed.oracle !== oracle || signed.seconds > seconds) return false;
  try {
    const statement = leaseBytes({
      deployment,
      setVersion: BigInt(signed.set_version),
      job: keyBytes(address),
      createdSlot: data.createdSlot,
      seconds: BigInt(signed.seconds),
      at: BigInt(signed.at),
    });
    const signature = Uint8Array.from(getBase58Encoder().encode(signed.signature));
    return verifySignature(keyBytes(signed.oracle), statement, signature);
  } catch {
    // Not a key or a signature: nothing was signed.
    return false;
  }
}

/** What each oracle has counted so far, its signature checked here. */
export function LeaseMeter({ job }: { job: Read<Kinds['job']> }) {
  const counts = useQuery(leaseCountsQuery(job.address, true));
  const set = useQuery(oracleSetQuery());
  const deployment = { program: keyBytes(config().program), cluster: keyBytes(config().cluster) };
  return (
    <Loaded query={counts} skeleton={<Skeleton className="mt-2 h-16" />}>
      {(all) => (
        <ul className="mt-2 flex flex-col gap-2">
          {all.map(({ base, count, error }) => {
            if (!count) {
              return (
                <li key={base} className="text-muted text-sm">
                  {base || 'This oracle'}: {error ?? 'nothing counted yet'}
                </li>
              );
            }
            const { signed } = count;
            const member = membersOf(set.data?.data).includes(count.oracle);
            const valid = holds(count, job, deployment);
            return (
              <li key={base} className="flex flex-wrap items-center gap-2 text-sm" data-testid="meter">
                <Hash value={count.oracle} label="oracle" />
                <span className="text-muted">
                  counted {duration(count.seconds)} up to <Time at={count.at} />
                  {signed ? `, signed ${duration(signed.seconds)}` : ', signed nothing yet'}
                </span>
                <Badge tone={member ? 'good' : 'bad'} tip="whether it is in the oracle set on chain">
                  {member ? '✓' : '✗'} signer
                </Badge>
                {signed && (
                  <Badge
                    tone={valid ? 'good' : 'bad'}
                    tip="Ed25519 over the statement rebuilt here from the chain’s fields, for no more seconds than it counted"
                  >
                    {valid ? '✓' : '✗'} signature
                  </Badge>
                )}
              </li>
            );
          })}
        </ul>
      )}
    </Loaded>
  );
}
