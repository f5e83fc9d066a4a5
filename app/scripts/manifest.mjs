// What the build made: its folder, and which chunk imports which.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
export const manifest = JSON.parse(readFileSync(join(dist, 'vite-manifest.json'), 'utf8'));

/** A chunk with all that it imports at once. */
export function closure(key, seen = new Set()) {
  if (seen.has(key)) return seen;
  seen.add(key);
  for (const next of manifest[key].imports ?? []) closure(next, seen);
  return seen;
}
