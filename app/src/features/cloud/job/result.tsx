import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { bases, download } from '@/shared/api';
import { plural, shorten, size } from '@/shared/format';
import { Badge, Button, Failure, Hash, Loaded, Progress, Skeleton } from '@/shared/ui';
import { type Manifest, parseManifest } from './manifest';

const MAX_MANIFEST = 16 << 10;

export const manifestQuery = (outputHash: string, specHash: string) => ({
  queryKey: ['blob', 'manifest', outputHash],
  staleTime: Number.POSITIVE_INFINITY,
  queryFn: async ({ signal }: { signal: AbortSignal }): Promise<Manifest> =>
    parseManifest(await download(outputHash, { bases: bases(), maxBytes: MAX_MANIFEST, signal }), specHash),
});

/** Who names the hash of a result. */
type Source = 'chain' | 'oracle';

/** The result's files: each is checked against the hash that the chain, or an oracle, leads to before it is saved. */
export function Result({
  outputHash,
  specHash,
  source = 'chain',
  usual = 1,
}: {
  outputHash: string;
  specHash: string;
  source?: Source;
  /** Files that work of this kind gives: their places are kept until it is read which there are. */
  usual?: number;
}) {
  const manifest = useQuery(manifestQuery(outputHash, specHash));
  return (
    <Loaded query={manifest} skeleton={<Places of={usual} />}>
      {({ files, status, units }) => (
        <div className="flex flex-col gap-3 text-sm">
          <p className="min-h-6">
            <Badge
              tone="good"
              tip={`BLAKE3 of the manifest is ${outputHash}, as ${source === 'chain' ? 'on chain' : 'the oracle says'}; it names this job’s spec ${specHash}`}
            >
              ✓ manifest verified
            </Badge>{' '}
            {plural(units, 'unit')}.
          </p>
          {status !== 'ok' && (
            <p className="text-warn">
              The module failed in the same way everywhere: {status.failed.message} ({status.failed.kind}).
            </p>
          )}
          <ul className="flex flex-col gap-2">
            {files.map((file) => (
              <FileRow key={file.name} {...file} source={source} />
            ))}
          </ul>
        </div>
      )}
    </Loaded>
  );
}

/** As high as what is read then. */
function Places({ of }: { of: number }) {
  return (
    <div className="flex flex-col gap-3">
      <Skeleton className="h-6" />
      <ul className="flex flex-col gap-2">
        {Array.from({ length: of }, (_, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a place is its number
          <li key={i}>
            <Skeleton className="h-[94px] sm:h-[62px]" />
          </li>
        ))}
      </ul>
    </div>
  );
}

type State = { at: 'idle' } | { at: 'loading'; done: number } | { at: 'verified' } | { at: 'failed'; error: unknown };

function FileRow({ name, size: bytes, hash, source }: { name: string; size: number; hash: string; source: Source }) {
  const [state, setState] = useState<State>({ at: 'idle' });
  async function get() {
    setState({ at: 'loading', done: 0 });
    try {
      const content = await download(hash, {
        bases: bases(),
        maxBytes: bytes,
        onProgress: (done) => setState({ at: 'loading', done }),
      });
      const url = URL.createObjectURL(new Blob([content]));
      const link = Object.assign(document.createElement('a'), { href: url, download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setState({ at: 'verified' });
    } catch (error) {
      setState({ at: 'failed', error });
    }
  }
  return (
    <li className="flex flex-col gap-2 rounded-lg border border-line p-3">
      <div className="flex flex-wrap items-center gap-3">
        <span className="min-w-0 grow basis-[calc(100%-7rem)] truncate font-medium sm:basis-0">{name}</span>
        <span className="text-muted text-xs">{size(bytes)}</span>
        <Hash value={hash} label="hash" />
        <Button onClick={get} disabled={state.at === 'loading'}>
          {state.at === 'verified' ? 'Download again' : 'Download and verify'}
        </Button>
      </div>
      {state.at === 'loading' && <Progress label={`Downloading ${name}`} value={state.done} max={bytes} />}
      {state.at === 'verified' && (
        <p role="status" className="text-good text-xs">
          ✓ BLAKE3 is {shorten(hash, 8, 8)}: these are the bytes that{' '}
          {source === 'chain' ? 'the oracles attested' : 'the oracle names'}.
        </p>
      )}
      {state.at === 'failed' && <Failure error={state.error} retry={get} />}
    </li>
  );
}
