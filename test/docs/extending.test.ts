import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { REPO } from '../paths.ts';
import { tempDir } from '../temp-dir.ts';
import { followGuide } from './follow-guide.ts';

let dir = '';
beforeAll(async () => {
  dir = await tempDir('nof0-guide-');
  for (const name of [
    'src',
    'workers',
    'test',
    'web',
    'scripts',
    'bench',
    'web',
    'tsconfig.json',
    'package.json',
    'vitest.config.ts',
    'docs',
    '.env.example',
  ])
    await cp(path.join(REPO, name), path.join(dir, name), { recursive: true });
  await symlink(path.join(REPO, 'node_modules'), path.join(dir, 'node_modules'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const MADE = [
  'src/jobs/prune-letters.ts',
  'src/engine/prune-letters.ts',
  'workers/prune-letters.ts',
  'test/engine/prune-letters.int.test.ts',
  'src/llm/builtin/momentum.ts',
  'src/market/constant.ts',
  'src/exchange/my-exchange.ts',
];
// Whoever tries the examples in this checkout does not break its tests; where a change is judged nobody has.
const followed = process.env.CI === undefined && MADE.some((file) => existsSync(path.join(REPO, file)));

it.skipIf(followed)(
  'whoever follows the guide to a job, a strategy, a market and an exchange gets what type-checks',
  () => {
    expect(followGuide(dir)).toEqual(MADE);
    const node = (...args: string[]) => spawnSync(process.execPath, args, { cwd: dir, encoding: 'utf8' });
    expect(node(path.join(REPO, 'node_modules/typescript/bin/tsc'), '--noEmit')).toMatchObject({
      stdout: '',
      status: 0,
    });
    const docs = node('--import', 'tsx', 'scripts/docs.ts');
    expect(docs.stdout + docs.stderr).toContain('wrote docs/jobs.md');
    expect(docs.status).toBe(0);
  },
  180_000,
);
