import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/global-setup.ts'],
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more files at a time only make each of them slower.
    maxWorkers: 2,
    env: { NOF0_LOG_LEVEL: 'fatal' },
  },
});
