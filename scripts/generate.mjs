// Makes what the sources need and the repository does not hold: the database client and the bundled arena page.
// The Prisma command line would download a native schema engine that generating does not need; naming any existing file as that
// engine keeps it from trying (it is never run).
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { buildPage } from './build-page.mjs';

const prisma = createRequire(import.meta.url).resolve('prisma/build/index.js');
const result = spawnSync(process.execPath, [prisma, 'generate', '--no-hints'], {
  stdio: ['ignore', 'ignore', 'inherit'],
  env: {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.env.PRISMA_SCHEMA_ENGINE_BINARY ?? process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
  },
});
if (result.status !== 0) process.exit(result.status ?? 1);
await buildPage();
