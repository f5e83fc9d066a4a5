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
const TIMEOUT_MS = 240_000;

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
let failed = false;
try {
  for (const [form, flags] of FORMS) {
    for (const page of PAGES) {
      const out = join(dir, 'report.json');
      await promisify(execFile)(
        'npx',
        [
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
        ],
        { env: { ...process.env, CHROME_PATH: chrome }, timeout: TIMEOUT_MS, maxBuffer: 16 << 20 },
      );
      const report = JSON.parse(readFileSync(out, 'utf8'));
      const scores = CATEGORIES.map((name) => Math.round(report.categories[name].score * 100));
      const figures = [
        'first-contentful-paint',
        'largest-contentful-paint',
        'total-blocking-time',
        'cumulative-layout-shift',
      ]
        .map((name) => report.audits[name].displayValue)
        .join(' · ');
      const low = scores.some((score) => score < LEAST);
      failed ||= low;
      console.log(
        `${low ? ' LOW' : '  ok'}  ${form.padEnd(8)}${page.padEnd(12)} ${CATEGORIES.map((name, i) => `${name} ${scores[i]}`).join(', ')}   ${figures}`,
      );
      if (low) {
        for (const name of CATEGORIES) {
          for (const { id, weight } of report.categories[name].auditRefs) {
            const audit = report.audits[id];
            if (weight > 0 && audit.score !== null && audit.score < 0.9)
              console.log(`        ${id} ${Math.round(audit.score * 100)} ${audit.displayValue ?? ''}`);
          }
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
