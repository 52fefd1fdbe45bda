import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two cores: more files at a time only make each of them slower.
    maxWorkers: 2,
    env: { NOF0_LOG_LEVEL: 'fatal' },
    projects: [
      {
        extends: true,
        test: {
          name: 'platform',
          globalSetup: ['test/global-setup.ts'],
          include: ['test/**/*.test.ts'],
          exclude: ['test/cli/**'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          globalSetup: ['test/global-setup.ts'],
          include: ['test/cli/**/*.test.ts'],
          // Whole systems as processes of their own, timed: one after the other, when nothing else runs.
          sequence: { groupOrder: 1 },
          fileParallelism: false,
        },
      },
    ],
  },
});
