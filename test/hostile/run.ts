/**
 * An arena of hostile language models, as its user runs it: one process, real slots, real servers. Afterwards no order may have broken a
 * guardrail, no job may be lost, the process must live, and the one model that behaves must have decided in every slot, on time.
 *
 *   npm run test:hostile -- [--cycles N] [--models N] [--seed TEXT] [--keep]
 */

import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { arenaSchema } from '../../src/config/arena.ts';
import { lateAfterMs } from '../../src/domain/time.ts';
import { startServers } from '../../src/embedded/servers.ts';
import { addressesOf, nof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';
import { judgeOrders } from './judge.ts';
import { openHostile, STEADY } from './server.ts';

const { values: flags } = parseArgs({
  options: {
    cycles: { type: 'string', default: '1000' },
    models: { type: 'string', default: '16' },
    seed: { type: 'string', default: 'hostile' },
    keep: { type: 'boolean', default: false },
  },
});
const DECISION_MS = 2000;
const MAX_LAG_MS = 1000;
/** A machine that does nothing else needs a tenth of it. */
const DEADLINE_MS = 900_000;

const faults: string[] = [];
const demand = (holds: boolean, what: string) => {
  if (!holds) faults.push(what);
};

const server = await openHostile(flags.seed);
const dir = await tempDir('nof0-hostile-');
const servers = await startServers({ dir: path.join(dir, 'servers'), database: 'hostile' });
const db = new pg.Pool({ connectionString: servers.databaseUrl, max: 2 });
db.on('error', () => {});
const rows = async <T extends object>(sql: string): Promise<T[]> => (await db.query<T>(sql)).rows;
const number = async (sql: string): Promise<number> =>
  Number((await rows<{ n: string }>(`SELECT (${sql}) AS n`))[0]?.n);

const hostile = Array.from({ length: Number(flags.models) }, (_, index) => `hostile-${index + 1}`);
const arena = {
  seed: flags.seed,
  schedules: { price: '1s', decision: `${DECISION_MS}ms`, snapshot: '30s', analytics: '1m', spread: '0s' },
  paces: { synthetic: {} },
  // Short, so that there is something to enter again within the minutes of this test.
  guardrails: { cooldown: '20s' },
  models: [...hostile, STEADY].map((id) => ({
    id,
    endpoint: { baseUrl: server.baseUrl(id), model: id, timeout: '3s', maxCompletionTokens: 500 },
  })),
};
const arenaFile = path.join(dir, 'arena.yaml');
await mkdir(dir, { recursive: true });
await writeFile(arenaFile, JSON.stringify(arena));

const run = nof0(['up', '--run', 'main', '--arena', arenaFile, '--market', 'synthetic', '--no-api'], {
  ...addressesOf(servers),
  NOF0_DATA_DIR: path.join(dir, 'data'),
  NOF0_METRICS_PORT: '0',
});
let exit: number | string | null = null;
void run.ended.then((code) => {
  exit = code;
});

try {
  await run.printed(/ready {4}/, 60_000);
  const wanted = Number(flags.cycles);
  const deadline = Date.now() + DEADLINE_MS;
  let finished = 0;
  while (finished < wanted && exit === null && Date.now() < deadline) {
    await sleep(2000);
    finished = await number(`SELECT count(*) FROM decision_cycles WHERE step = 'done' AND model_id <> '${STEADY}'`);
    process.stdout.write(`\r${finished} of ${wanted} cycles`);
  }
  process.stdout.write('\n');
  demand(exit === null, `the process ended with ${exit}`);
  demand(finished >= wanted, `${finished} cycles in ${DEADLINE_MS / 60_000} minutes`);
  await judge();
} finally {
  if (exit === null) run.process.kill('SIGTERM');
  await run.ended;
  await db.end();
  await servers.stop();
  await server.close();
  if (!flags.keep) await rm(dir, { recursive: true, force: true });
}
for (const fault of faults) process.stdout.write(`FAULT ${fault}\n`);
process.stdout.write(`${faults.length} faults\n`);
process.exitCode = faults.length > 0 ? 1 : 0;

async function judge(): Promise<void> {
  const { guardrails } = arenaSchema.parse(arena);
  const judged = await judgeOrders(rows, guardrails, lateAfterMs(0, DECISION_MS));
  faults.push(...judged.faults.slice(0, 20));
  demand(judged.entries >= 20, `only ${judged.entries} entries: nothing was put to the test`);
  const all = await rows<{ lag: number; code: string | null; slot: number }>(
    `SELECT extract(epoch FROM executed_at)::float8 * 1000 - slot_ms AS lag, error_code AS code, row_number() OVER (ORDER BY slot_ms)::int AS slot
     FROM decision_cycles WHERE model_id = '${STEADY}' AND step = 'done' ORDER BY 1`,
  );
  // The first slots begin before the process is up.
  const lags = all.filter(({ slot }) => slot > 2);
  const p99 = lags[Math.ceil(lags.length * 0.99) - 1]?.lag ?? Number.POSITIVE_INFINITY;
  const failed = lags.flatMap(({ code, slot }) => (code === null ? [] : [`slot ${slot}: ${code}`]));
  const worst = lags.slice(-5).map(({ lag, slot }) => `slot ${slot}: ${Math.round(lag)} ms`);
  demand(
    p99 < MAX_LAG_MS,
    `the steady model's cycles end ${Math.round(p99)} ms after their slot at p99 (${worst.join(', ')})`,
  );
  demand(failed.length === 0, `cycles of the steady model failed: ${failed.join(', ')}`);
  const slots = await number(
    `SELECT (max(slot_ms) - min(slot_ms)) / ${DECISION_MS} + 1 FROM decision_cycles WHERE model_id = '${STEADY}'`,
  );
  demand(all.length >= slots - 1, `the steady model decided in ${all.length} of ${slots} slots`);
  const letters = await number('SELECT count(*) FROM dead_letters');
  demand(letters === 0, `${letters} dead letters`);
  const log = await readFile(path.join(dir, 'data', 'main', 'nof0.log'), 'utf8');
  demand(!/uncaught|unhandled/i.test(log + run.output()), 'something was thrown that nobody caught');
  const kinds = [...server.given].sort(([, a], [, b]) => b - a).map(([kind, n]) => `${kind} ${n}`);
  process.stdout.write(`answers: ${kinds.join(', ')}\n`);
  process.stdout.write(
    `${judged.entries} entries, ${judged.closes} closes; steady p99 ${Math.round(p99)} ms in ${slots} slots\n`,
  );
}
