/** A result's manifest (`crates/engines/src/manifest.rs`): canonical JSON, read strictly. */

export interface Manifest {
  version: number;
  spec: string;
  status: 'ok' | { failed: { kind: string; message: string; fuel: number } };
  units: number;
  steps: number;
  files: { name: string; size: number; hash: string }[];
}

export class ManifestError extends Error {
  readonly hint = 'Dispute the job while the challenge window is open.';
}

const MAX_FILES = 8;
const NAME = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;
const HASH = /^[0-9a-f]{64}$/;

/** The manifest in these bytes, which must be of this job's spec. */
export function parseManifest(bytes: Uint8Array, specHash: string): Manifest {
  let manifest: Manifest;
  try {
    manifest = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Manifest;
  } catch {
    throw new ManifestError('the result’s manifest is not JSON');
  }
  const { files } = manifest ?? {};
  const sane =
    manifest?.version === 1 &&
    Number.isSafeInteger(manifest.units) &&
    Array.isArray(files) &&
    files.length <= MAX_FILES &&
    new Set(files.map((file) => file?.name)).size === files.length &&
    files.every(
      (file) => NAME.test(file?.name) && HASH.test(file.hash) && Number.isSafeInteger(file.size) && file.size >= 0,
    ) &&
    (manifest.status === 'ok' || typeof manifest.status?.failed?.message === 'string');
  if (!sane) throw new ManifestError('the result’s manifest is malformed');
  if (manifest.spec !== specHash) throw new ManifestError('the result’s manifest is of another job’s spec');
  return manifest;
}
