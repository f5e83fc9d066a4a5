// Lighthouse on a network of this machine: performance and accessibility of each face, on a desktop and on a phone. Nothing but
// loopback is asked. Fails below the least score.
//
//   IO_READY_FILE=ready.json npm run lighthouse      (`io up --ready-file ready.json` runs, and serves the built app)
//
// Lighthouse itself comes through npx: it is heavy, and nothing else needs it.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** The last that runs on Node 20. */
const LIGHTHOUSE = 'lighthouse@12.8.2';
const LEAST = 95;
const PAGES = ['/', '/cloud', '/cloud/new', '/worker', '/explorer'];
const FORMS = [
  ['desktop', ['--preset=desktop']],
  ['phone', []],
];
const CATEGORIES = ['performance', 'accessibility'];
/** Shown beside the scores. */
const FIGURES = [
  'first-contentful-paint',
  'largest-contentful-paint',
  'total-blocking-time',
  'cumulative-layout-shift',
];
const TIMEOUT_MS = 240_000;
/** Runs of each page: their median counts, as a busy machine spoils single ones. */
const RUNS = Number(process.env.RUNS ?? 3);

const ready = process.env.IO_READY_FILE;
if (!ready) {
  console.error('IO_READY_FILE is not set: run `io up --ready-file ready.json`, and name that file.');
  process.exit(1);
}
const { app } = JSON.parse(readFileSync(ready, 'utf8'));
const chrome = [process.env.IO_CHROMIUM, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);
if (!chrome) {
  console.error('no chromium: apt-get install chromium, or name one with IO_CHROMIUM');
  process.exit(1);
}

const dir = mkdtempSync(join(tmpdir(), 'io-lighthouse-'));

async function run(page, flags) {
  const out = join(dir, 'report.json');
  const all = [
    '--yes',
    LIGHTHOUSE,
    `${app}${page}`,
    '--output=json',
    `--output-path=${out}`,
    '--quiet',
    '--no-enable-error-reporting',
    `--only-categories=${CATEGORIES.join(',')}`,
    '--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage',
    ...flags,
  ];
  const options = { env: { ...process.env, CHROME_PATH: chrome }, timeout: TIMEOUT_MS, maxBuffer: 16 << 20 };
  // It sometimes misses the beginning of a page: once more then.
  await promisify(execFile)('npx', all, options).catch(() => promisify(execFile)('npx', all, options));
  return JSON.parse(readFileSync(out, 'utf8'));
}

const scoreOf = (report, name) => Math.round(report.categories[name].score * 100);

let failed = false;
try {
  for (const [form, flags] of FORMS) {
    for (const page of PAGES) {
      const reports = [];
      for (let i = 0; i < RUNS; i++) reports.push(await run(page, flags));
      reports.sort((a, b) => scoreOf(a, 'performance') - scoreOf(b, 'performance'));
      const report = reports[Math.floor(reports.length / 2)];
      const scores = CATEGORIES.map((name) => scoreOf(report, name));
      const low = scores.some((score) => score < LEAST);
      failed ||= low;
      const words = CATEGORIES.map((name, i) => `${name} ${scores[i]}`).join(', ');
      const figures = FIGURES.map((name) => report.audits[name].displayValue).join(' · ');
      console.log(`${low ? ' LOW' : '  ok'}  ${form.padEnd(8)}${page.padEnd(12)} ${words}   ${figures}`);
      if (!low) continue;
      for (const name of CATEGORIES) {
        for (const { id, weight } of report.categories[name].auditRefs) {
          const audit = report.audits[id];
          if (weight > 0 && audit.score !== null && audit.score < 0.9)
            console.log(`        ${id} ${Math.round(audit.score * 100)} ${audit.displayValue ?? ''}`);
        }
      }
    }
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (failed) {
  console.error(`A score is below ${LEAST}.`);
  process.exitCode = 1;
}
