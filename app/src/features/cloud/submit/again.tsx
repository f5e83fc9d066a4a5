/** The work of a job that has been done: what it named is still there, so nothing is chosen or uploaded. */
import { useMemo } from 'react';
import { api, bases, download, takeMaybe } from '@/shared/api';
import { fetchAccount } from '@/shared/chain';
import { hex, shorten } from '@/shared/format';
import { Button } from '@/shared/ui';
import { LEASE } from '../job/runway';
import { MAX_SPEC, type Spec } from '../job/spec';
import { type Engine, VERIFICATION } from '../offers/filters';
import { unitsText } from './spec';
import { type OnReady, type Read, ReadingLine, useReading } from './work';

class Gone extends Error {
  readonly hint = 'Choose the work anew.';
}

/** Whether the oracle that uploads go to has a blob. */
async function isKept(hash: string, signal: AbortSignal): Promise<boolean> {
  const status = api().GET('/v1/blobs/{hash}/status', { params: { path: { hash } }, signal });
  return (await takeMaybe(status))?.complete ?? false;
}

const readJob =
  (job: string, engine: Engine): Read =>
  async (signal) => {
    const read = await fetchAccount('job', job, signal);
    if (!read) throw new Gone('the chain has no such job any more');
    const { data } = read;
    if (data.verification !== VERIFICATION[engine].number) throw new Gone('that job is of another kind of work');
    const bytes = await download(hex(data.specHash), { bases: bases(), maxBytes: MAX_SPEC, signal });
    const spec = new TextDecoder().decode(bytes);
    const { input, engine: work } = JSON.parse(spec) as Spec;
    for (const { hash } of [input, ...(work.wasm ? [work.wasm.module] : [])])
      if (!(await isKept(hash, signal))) throw new Gone('this oracle has dropped a file of that job');
    return {
      note: `${unitsText(engine, data.maxUnits)}, as in job ${shorten(job)}: its files are still there.`,
      prepared: {
        spec,
        units: data.maxUnits,
        exact: engine === 'embed',
        uploads: [],
        longest: data.kind === LEASE || engine === 'wasm' ? data.maxRunSeconds : undefined,
      },
    };
  };

export function AgainForm({
  job,
  engine,
  onReady,
  leave,
}: {
  job: string;
  engine: Engine;
  onReady: OnReady;
  leave: () => void;
}) {
  const reading = useReading(
    useMemo(() => readJob(job, engine), [job, engine]),
    onReady,
  );
  return (
    <div className="flex flex-col items-start gap-3">
      <ReadingLine reading={reading} />
      <Button onClick={leave}>Choose other work</Button>
    </div>
  );
}
