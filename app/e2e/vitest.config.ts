import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ['**/*.e2e.ts'],
    globalSetup: ['harness/network.ts'],
    testTimeout: 180_000,
    hookTimeout: 120_000,
    // A page is drawn when the machine comes to it.
    expect: { poll: { timeout: 30_000 } },
    // One network, one after another: jobs share its two devices.
    fileParallelism: false,
  },
});
