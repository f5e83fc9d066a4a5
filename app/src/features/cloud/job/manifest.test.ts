import { describe, expect, it } from 'vitest';
import { parseManifest } from './manifest';

const spec = 'ab'.repeat(32);
const good = {
  version: 1,
  spec,
  status: 'ok',
  units: 3,
  steps: 3,
  files: [{ name: 'a.bin', size: 1, hash: 'cd'.repeat(32) }],
};
const read = (value: unknown, of = spec) => parseManifest(new TextEncoder().encode(JSON.stringify(value)), of);

describe('manifests', () => {
  it('are of this job', () => {
    expect(read(good).files[0]?.name).toBe('a.bin');
    expect(() => read(good, 'ef'.repeat(32))).toThrow('another job');
  });
  it('are refused when malformed', () => {
    const file = good.files[0];
    for (const bad of [
      null,
      { ...good, version: 2 },
      { ...good, files: [{ ...file, name: '../a' }] },
      { ...good, files: [{ ...file, name: '.a' }] },
      { ...good, files: [file, file] },
      { ...good, files: [{ ...file, hash: 'x' }] },
      { ...good, files: [{ ...file, size: -1 }] },
      { ...good, status: 'fine' },
    ]) {
      expect(() => read(bad)).toThrow('malformed');
    }
  });
});
