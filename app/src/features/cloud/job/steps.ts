/** A lease's steps as the timeline shows them. Pure. */
import type { DatedStep } from '@/shared/chain';

type Extension = Extract<DatedStep, { kind: 'extended' }>;
type Checkpoint = Extract<DatedStep, { kind: 'attested' }>;

export type Part = { kind: 'extended'; step: Extension } | { kind: 'attested'; count: number; last: Checkpoint };

/** In their order; checkpoints between which nothing happened are one. */
export function partsOf(steps: readonly DatedStep[]): Part[] {
  const parts: Part[] = [];
  for (const step of steps) {
    const before = parts.at(-1);
    if (step.kind === 'extended') parts.push({ kind: 'extended', step });
    else if (before?.kind === 'attested') {
      before.count += 1;
      before.last = step;
    } else parts.push({ kind: 'attested', count: 1, last: step });
  }
  return parts;
}
