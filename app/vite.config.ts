import { fileURLToPath } from 'node:url';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

// `npm run dev` serves the app alone; the API is an oracle's, named by IO_API (as `io up` prints it).
const api = process.env.IO_API ?? 'http://127.0.0.1:8700';

/**
 * A font that comes too late is not taken: text that was there already would be painted a second time, and move. The pages preload it, and a
 * browser that has seen one has it.
 */
const noLateFonts: Plugin = {
  name: 'no-late-fonts',
  generateBundle(_, bundle) {
    for (const file of Object.values(bundle)) {
      if (file.type !== 'asset' || !file.fileName.endsWith('.css')) continue;
      file.source = String(file.source).replaceAll(/font-display:\s*swap/g, 'font-display:optional');
    }
  },
};

export default defineConfig({
  plugins: [react(), tailwindcss(), noLateFonts],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { host: '127.0.0.1', proxy: { '/v1': { target: api }, '/health': { target: api } } },
  build: {
    target: 'es2022',
    // No inline data: URIs for fonts and images: the policy says 'self'.
    assetsInlineLimit: 0,
    manifest: 'vite-manifest.json',
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // Few files: a browser asks a server without TLS for six at once. What every page needs is one, what the faces share another.
        codeSplitting: {
          groups: [
            { name: 'shell', tags: ['$initial'], priority: 2 },
            { name: 'shared', minShareCount: 3, priority: 1 },
          ],
        },
      },
    },
    chunkSizeWarningLimit: 1_000,
  },
  worker: { format: 'es' },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
});
