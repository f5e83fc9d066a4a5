// The first load, as a browser gets it: the largest page's file, the shell that it names, and what that imports before anything is
// clicked.
// Fails above the budget. Fonts have one of their own: text shows before they are there. And fails when the wallet of the browser tests,
// whose key signs whatever it is asked, is in what is served.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { closure, dist, manifest } from './manifest.mjs';

const FIRST_LOAD = 150_000;
const FONTS = 60_000;
const FACE = 200_000;

const gzip = (file) => gzipSync(readFileSync(join(dist, file)), { level: 9 }).length;
const weigh = (keys) => {
  const files = new Set();
  for (const key of keys) {
    files.add(manifest[key].file);
    for (const css of manifest[key].css ?? []) files.add(css);
  }
  return [...files].map((file) => [file, gzip(file)]);
};
const sum = (rows) => rows.reduce((total, [, bytes]) => total + bytes, 0);

const first = closure('index.html');
const pages = readdirSync(dist, { recursive: true })
  .filter((file) => file.endsWith('.html'))
  .map((file) => [file, gzip(file)])
  .sort(([, a], [, b]) => b - a);
const rows = [pages[0], ['theme.js', gzip('theme.js')], ...weigh(first)];
let failed = false;
const line = (name, bytes, budget) => {
  const over = budget !== undefined && bytes > budget;
  failed ||= over;
  console.log(
    `${over ? 'OVER' : '  ok'}  ${name.padEnd(48)} ${(bytes / 1000).toFixed(1).padStart(7)} kB${budget ? ` of ${budget / 1000} kB` : ''}`,
  );
};
for (const [file, bytes] of rows) line(file, bytes);
line('first load, gzip', sum(rows), FIRST_LOAD);
const fonts = readdirSync(join(dist, 'assets')).filter((file) => /-latin-wght-normal.*\.woff2$/.test(file));
line(
  'fonts',
  fonts.reduce((total, file) => total + readFileSync(join(dist, 'assets', file)).length, 0),
  FONTS,
);
for (const face of ['cloud', 'worker', 'explorer']) {
  const key = Object.keys(manifest).find((key) => key.startsWith(`src/features/${face}/pages.`));
  if (!key) continue;
  line(`${face}, on top of it`, sum(weigh([...closure(key)].filter((key) => !first.has(key)))), FACE);
}
const harness = readFileSync(join(dist, '../e2e/harness/wallet.ts'), 'utf8');
const names = [/name: '([^']+)'/, /as \{ (\w+): typeof control \}/].map((form) => form.exec(harness)?.[1]);
if (!names.every(Boolean)) throw new Error('e2e/harness/wallet.ts names its wallet otherwise than this looks for');
for (const file of readdirSync(dist, { recursive: true }).filter((file) => /\.(js|html)$/.test(file))) {
  const text = readFileSync(join(dist, file), 'utf8');
  const found = names.find((name) => text.includes(name));
  if (!found) continue;
  console.error(`${file} has “${found}”: the wallet of the tests is in the bundle.`);
  process.exitCode = 1;
}
if (failed) {
  console.error('The app is over its size budget (scripts/size.mjs): load less at first, or later.');
  process.exitCode = 1;
}
