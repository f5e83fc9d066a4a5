// After the build: a file for each page, which the oracle's server answers its address with (`oracle/src/api/app.rs`). It names at once
// what is else found late: the configuration, the font, the face's own code. And it shows the page as it looks before anything is
// known, until the app runs. `any.html` of a face is for its pages whose address holds an id: they begin empty. Any other server's
// index.html does as well, a little later.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createServer } from 'vite';
import { closure, dist, manifest } from './manifest.mjs';

/** Pages of each face that are the same for everybody, below its first. */
const FACES = {
  cloud: ['new', 'jobs'],
  worker: ['stake', 'rewards', 'profit', 'slashes'],
  explorer: ['devices', 'providers', 'jobs', 'epochs', 'oracles'],
};
const FONT = /^geist-latin-wght-normal-.*\.woff2$/;

const font = readdirSync(join(dist, 'assets')).find((file) => FONT.test(file));
if (!font) throw new Error('the build has no font of the interface: has its package renamed it?');
const everywhere = [
  '<link rel="preload" href="/v1/app" as="fetch" fetchpriority="low" crossorigin />',
  `<link rel="preload" href="/assets/${font}" as="font" type="font/woff2" crossorigin />`,
];

const index = readFileSync(join(dist, 'index.html'), 'utf8');
const [HEAD, ROOT] = ['</head>', '<div id="root" inert></div>'];
for (const part of [HEAD, ROOT]) if (!index.includes(part)) throw new Error(`index.html has no ${part}`);

function write(name, links, content = '') {
  const file = join(dist, name);
  mkdirSync(dirname(file), { recursive: true });
  const page = index
    .replace(HEAD, () => `${links.map((link) => `  ${link}\n  `).join('')}${HEAD}`)
    .replace(ROOT, () => ROOT.replace('></', () => `>${content}</`));
  writeFileSync(file, page);
}

const vite = await createServer({
  root: dirname(dist),
  logLevel: 'error',
  appType: 'custom',
  server: { middlewareMode: true, watch: null, hmr: false, ws: false },
});
try {
  const { still } = await vite.ssrLoadModule('/src/app/still.tsx');
  const shell = closure('index.html');
  write('home.html', everywhere, await still('/'));
  for (const [face, pages] of Object.entries(FACES)) {
    const code = [...closure(`src/features/${face}/pages.ts`)].filter((key) => !shell.has(key));
    const links = [
      ...everywhere,
      ...code.map(
        (key) => `<link rel="modulepreload" fetchpriority="low" crossorigin href="/${manifest[key].file}" />`,
      ),
    ];
    write(`${face}.html`, links, await still(`/${face}`));
    for (const page of pages) write(`${face}/${page}.html`, links, await still(`/${face}/${page}`));
    write(`${face}/any.html`, links);
  }
  write('index.html', everywhere);
} catch (error) {
  console.error(error);
  process.exit(1);
}
// What pages began does not keep this alive.
process.exit(0);
