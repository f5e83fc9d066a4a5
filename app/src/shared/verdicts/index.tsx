import { useQuery } from '@tanstack/react-query';
import { type Attestation, attestationsQuery } from '@/shared/api';
import { type Kinds, membersOf, NOBODY, oracleSetQuery, type Read } from '@/shared/chain';
import { config } from '@/shared/config';
import { Badge, Hash, Loaded, Skeleton } from '@/shared/ui';
import { checkAttestation, keyBytes, readAttestation } from '@/shared/verify';

/** Each oracle's newest verdict, its signatures checked here against what the chain says; apart from them, what is only its word. */
export function Verdicts({ job }: { job: Read<Kinds['job']> }) {
  const set = useQuery(oracleSetQuery());
  const disputed = job.data.challenger !== NOBODY;
  const answers = useQuery(attestationsQuery(job.address, disputed, job.data.submittedAt > 0n));
  const waiting = <Skeleton className="h-24" />;
  return (
    <Loaded query={set} skeleton={waiting}>
      {(read) => (
        <Loaded query={answers} skeleton={waiting}>
          {(all) => (
            <ul className="flex flex-col gap-3">
              {all.map(({ base, attestation, error }) =>
                attestation ? (
                  <Verdict key={base} attestation={attestation} job={job} set={read?.data} />
                ) : (
                  <li key={base} className="text-muted text-sm">
                    {base || 'This oracle'}: {error ?? 'no verdict yet'}
                  </li>
                ),
              )}
            </ul>
          )}
        </Loaded>
      )}
    </Loaded>
  );
}

function Verdict({
  attestation,
  job: { address, data },
  set,
}: {
  attestation: Attestation;
  job: Read<Kinds['job']>;
  set: Kinds['oracleSet'] | undefined;
}) {
  const checks = checkAttestation(
    attestation,
    {
      job: address,
      createdSlot: data.createdSlot,
      submittedAt: data.submittedAt,
      outputHash: Uint8Array.from(data.outputHash),
      units: data.units,
      disputed: data.challenger !== NOBODY,
    },
    { program: keyBytes(config().program), cluster: keyBytes(config().cluster) },
    { version: set?.version ?? 0n, oracles: membersOf(set) },
  );
  const { holds, tone, verdict, signed, unsigned } = readAttestation(attestation, checks);
  return (
    <li className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm" data-testid="attestation">
      <Badge tone={tone}>{verdict}</Badge>
      <Hash value={attestation.oracle} label="oracle" />
      {checks.map((check) => (
        <Badge key={check.name} tone={check.ok ? 'good' : 'bad'} tip={`${check.name} ${check.detail}`}>
          {check.ok ? '✓' : '✗'} {check.name.toLowerCase()}
        </Badge>
      ))}
      <span className="sr-only">{holds ? 'verified in this browser' : 'not verified'}</span>
      {signed && (
        <span>
          {attestation.disputed && 'after an objection: '}
          {signed}
        </span>
      )}
      <span className="text-muted">its word, under no signature: {unsigned}</span>
      {attestation.reason && <span className="text-bad">its reason, under none either: {attestation.reason}</span>}
    </li>
  );
}
