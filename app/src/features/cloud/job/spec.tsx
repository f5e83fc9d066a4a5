import { useQuery } from '@tanstack/react-query';
import { bases, download } from '@/shared/api';
import { size } from '@/shared/format';
import { Badge } from '@/shared/ui';
import type { BlobRef } from '../submit/spec';

/** `MAX_SPEC_BYTES` of crates/engines/src/limits.rs. */
export const MAX_SPEC = 16 << 10;

export interface Spec {
  input: BlobRef;
  engine: { embed?: unknown; wasm?: { module: BlobRef } };
}

/** The job's description as the oracles have it: it has the hash that the chain names, or it does not come through. */
export const specQuery = (hash: string) => ({
  queryKey: ['blob', 'spec', hash],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Spec> =>
    JSON.parse(new TextDecoder().decode(await download(hash, { bases: bases(), maxBytes: MAX_SPEC, signal }))) as Spec,
});

const ENGINES: Record<string, string> = { embed: 'text embeddings', wasm: 'WebAssembly' };

/** What was ordered, in words, once its bytes are checked. */
export function SpecCheck({ specHash }: { specHash: string }) {
  const spec = useQuery(specQuery(specHash));
  if (!spec.data) {
    return (
      <p className="mt-1 min-h-6 text-muted text-sm">
        {spec.error ? 'No oracle gives out the job’s description now: its hash is not checked.' : ''}
      </p>
    );
  }
  const [engine = 'unknown'] = Object.keys(spec.data.engine ?? {});
  return (
    <p className="mt-1 flex min-h-6 flex-wrap items-center gap-2 text-sm">
      <Badge tone="good" tip={`BLAKE3 of the description is ${specHash}, as on chain`}>
        ✓ spec verified
      </Badge>
      {ENGINES[engine] ?? engine}, {size(spec.data.input?.size ?? 0)} of input
    </p>
  );
}
