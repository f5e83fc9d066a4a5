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

/** The result's files: each is checked against the hash that the chain leads to before it is saved. */
export function Result({ outputHash, specHash }: { outputHash: string; specHash: string }) {
  const manifest = useQuery(manifestQuery(outputHash, specHash));
  return (
    <Loaded query={manifest} skeleton={<Skeleton className="h-20" />}>
      {({ files, status, units }) => (
        <div className="flex flex-col gap-3 text-sm">
          <p>
            <Badge
              tone="good"
              tip={`BLAKE3 of the manifest is ${outputHash}, as on chain; it names this job’s spec ${specHash}`}
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
              <FileRow key={file.name} {...file} />
            ))}
          </ul>
        </div>
      )}
    </Loaded>
  );
}

type State = { at: 'idle' } | { at: 'loading'; done: number } | { at: 'verified' } | { at: 'failed'; error: unknown };

function FileRow({ name, size: bytes, hash }: { name: string; size: number; hash: string }) {
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
        <span className="min-w-0 flex-1 truncate font-medium">{name}</span>
        <span className="text-muted text-xs">{size(bytes)}</span>
        <Hash value={hash} label="hash" />
        <Button onClick={get} disabled={state.at === 'loading'}>
          {state.at === 'verified' ? 'Download again' : 'Download and verify'}
        </Button>
      </div>
      {state.at === 'loading' && <Progress label={`Downloading ${name}`} value={state.done} max={bytes} />}
      {state.at === 'verified' && (
        <p role="status" className="text-good text-xs">
          ✓ BLAKE3 is {shorten(hash, 8, 8)}: these are the bytes that the oracles attested.
        </p>
      )}
      {state.at === 'failed' && <Failure error={state.error} retry={get} />}
    </li>
  );
}
