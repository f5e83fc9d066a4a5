import { useQuery } from '@tanstack/react-query';
import { attestationsQuery } from '@/shared/api';
import { type Kinds, membersOf, NOBODY, oracleSetQuery, type Read } from '@/shared/chain';
import { useConfig } from '@/shared/config/use-config';
import { duration } from '@/shared/format';
import { Badge, Hash, Loaded, Skeleton } from '@/shared/ui';
import { checkAttestation, keyBytes } from '@/shared/verify';

/** Each oracle's newest verdict, its signature checked here against what the chain says. */
export function Attestations({ job }: { job: Read<Kinds['job']> }) {
  const config = useConfig();
  const { data } = job;
  const disputed = data.challenger !== NOBODY;
  const answers = useQuery(attestationsQuery(job.address, disputed, data.submittedAt > 0n));
  const set = useQuery(oracleSetQuery());
  return (
    <Loaded query={answers} skeleton={<Skeleton className="h-16" />}>
      {(all) => (
        <ul className="flex flex-col gap-2">
          {all.map(({ base, attestation, error }) => {
            if (!attestation) {
              return (
                <li key={base} className="text-muted text-sm">
                  {base || 'This oracle'}: {error ?? 'no verdict yet'}
                </li>
              );
            }
            const checks = checkAttestation(
              attestation,
              {
                job: job.address,
                createdSlot: data.createdSlot,
                submittedAt: data.submittedAt,
                outputHash: Uint8Array.from(data.outputHash),
                units: data.units,
                disputed,
              },
              { program: keyBytes(config.program), cluster: keyBytes(config.cluster) },
              {
                version: set.data?.data.version ?? 0n,
                oracles: membersOf(set.data?.data),
              },
            );
            const ok = checks.every((check) => check.ok);
            return (
              <li key={base} className="flex flex-wrap items-center gap-2 text-sm" data-testid="attestation">
                <Badge tone={attestation.verdict === 'valid' ? 'good' : 'bad'}>{attestation.verdict}</Badge>
                <Hash value={attestation.oracle} label="oracle" />
                <span className="text-muted">
                  {attestation.disputed && 'on the dispute: '}
                  {attestation.audit?.audited === false
                    ? `looked at its form; not drawn to run it again (chance ${attestation.audit.rate_ppm / 10_000} %)`
                    : `checked ${attestation.checked_steps} of ${attestation.total_steps} steps in ${duration(attestation.verify_ms / 1000)}`}
                </span>
                {checks.map((check) => (
                  <Badge key={check.name} tone={check.ok ? 'good' : 'bad'} tip={`${check.name} ${check.detail}`}>
                    {check.ok ? '✓' : '✗'} {check.name.toLowerCase()}
                  </Badge>
                ))}
                <span className="sr-only">{ok ? 'verified in this browser' : 'not verified'}</span>
                {attestation.reason && <span className="text-bad">{attestation.reason}</span>}
              </li>
            );
          })}
        </ul>
      )}
    </Loaded>
  );
}
