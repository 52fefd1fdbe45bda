/**
 * Five schedulers share a run in real time; every second one of them is killed and another one started in its place. Afterwards every
 * slot of every schedule must have run exactly once. Seeded: the same seed chooses the same victims.
 *
 *   npm run test:schedulers -- [--seconds N] [--seed S]
 */

import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { uniform } from '../../src/domain/random.ts';
import { startServers } from '../../src/embedded/servers.ts';
import { nextSlot } from '../../src/engine/slots.ts';
import type { ScheduleSpec } from '../../src/store/schedules.ts';
import { eventually } from '../eventually.ts';
import { addressesOf, type Nof0, nof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const SCHEDULERS = 5;
/** With fewer than this no slot would be fired in time, and nobody promised that. */
const ALIVE = 2;
const KILL_EVERY_MS = 1000;
const SHOWN = 10;
const ARENA = `seed: schedulers
paces:
  synthetic: { price: 1s, decision: 2s, snapshot: 5s, analytics: 10s }
maintenance: { relayEffects: '*/10 * * * * *', pruneRuns: '*/30 * * * * *' }
models:
  - { id: trend-follower, strategy: trend-follower }
  - { id: mean-reverter, strategy: mean-reverter }
  - { id: coin-flip, strategy: coin-flip }
`;

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, seed: { type: 'string', default: '1' } },
});
const say = (line: string) => process.stdout.write(`${line}\n`);

class Schedulers {
  readonly #start: () => Nof0;
  readonly #up = new Set<Nof0>();
  readonly #all: Nof0[] = [];
  #stopping = false;
  kills = 0;
  spared = 0;

  constructor(start: () => Nof0) {
    this.#start = start;
  }

  async add(): Promise<void> {
    const one = this.#start();
    this.#all.push(one);
    await one.printed(/scheduling run/);
    this.#up.add(one);
    void one.ended.then(() => this.#up.delete(one));
  }

  /** Kills one that schedules, unless too few of them do. */
  killOne(dice: number): void {
    const alive = [...this.#up];
    if (alive.length <= ALIVE) {
      this.spared += 1;
      return;
    }
    const victim = alive[Math.floor(dice * alive.length)];
    if (victim === undefined) return;
    this.#up.delete(victim);
    victim.process.kill('SIGKILL');
    this.kills += 1;
    this.add().catch((error: unknown) => {
      if (!this.#stopping) say(`a scheduler did not start: ${String(error)}`);
    });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const one of this.#all) one.process.kill('SIGTERM');
    await Promise.all(this.#all.map((one) => one.ended));
  }
}

type Slots = { slots: number; missing: string[]; doubled: string[] };

/**
 * Slots of all schedules from the first one that ran to where their cursors stand, against the runs that finished. A run that only found
 * that its work was done (`skipped`) is none that doubles it.
 */
async function countSlots(client: pg.Client): Promise<Slots> {
  const { rows: schedules } = await client.query<{ name: string; spec: ScheduleSpec; last: string }>(
    'SELECT name, spec, last_slot_ms AS last FROM schedules ORDER BY name',
  );
  const result: Slots = { slots: 0, missing: [], doubled: [] };
  for (const { name, spec, last } of schedules) {
    const { rows } = await client.query<{ slot: string; runs: string }>(
      `SELECT r.slot_ms AS slot, count(*) FILTER (WHERE r.outcome = 'done') AS runs FROM job_runs r JOIN schedules s ON s.name = $1 AND s.job = r.queue AND r.payload @> s.payload
       WHERE r.slot_ms IS NOT NULL AND r.outcome IN ('done', 'skipped') AND (s.job <> 'analytics' OR r.model_id IS NULL) GROUP BY r.slot_ms`,
      [name],
    );
    const runs = new Map(rows.map((row) => [Number(row.slot), Number(row.runs)]));
    const first = Math.min(...runs.keys());
    for (let slot = first; slot <= Number(last); slot = nextSlot(spec, slot)) {
      const count = runs.get(slot);
      result.slots += 1;
      if (count === undefined) result.missing.push(`${name} ${new Date(slot).toISOString()}`);
      else if (count > 1) result.doubled.push(`${name} ${new Date(slot).toISOString()}: ${count} runs`);
    }
  }
  const { rows: cycles } = await client.query<{ unfinished: string }>(
    `SELECT count(*) AS unfinished FROM decision_cycles WHERE step <> 'done'`,
  );
  if (Number(cycles[0]?.unfinished) > 0) result.missing.push(`${cycles[0]?.unfinished} cycles never finished`);
  return result;
}

const dir = await tempDir('nof0-schedulers-');
const servers = await startServers({ dir: path.join(dir, 'servers'), database: 'nof0' });
// The servers would outlive this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => void servers.stop().finally(() => process.exit(130)));
try {
  const arena = path.join(dir, 'arena.yaml');
  await writeFile(arena, ARENA);
  const env = {
    NOF0_DATA_DIR: path.join(dir, 'data'),
    NOF0_ARENA: arena,
    NOF0_LOG_LEVEL: 'warn',
    ...addressesOf(servers),
  };
  const schedulers = new Schedulers(() => nof0(['scheduler', '--run', 'main', '--market', 'synthetic'], env));
  await schedulers.add();
  const worker = nof0(['worker', '--run', 'main'], env);
  await worker.printed(/working on run/);
  for (let more = 1; more < SCHEDULERS; more++) await schedulers.add();
  const until = Date.now() + Number(values.seconds) * 1000;
  for (let turn = 0; Date.now() < until; turn++) {
    await sleep(KILL_EVERY_MS);
    schedulers.killOne(uniform(values.seed ?? '1', 'victim', turn));
  }
  await schedulers.stop();
  const client = new pg.Client({ connectionString: servers.databaseUrl });
  await client.connect();
  await eventually(
    'the jobs to finish',
    async () => (await client.query('SELECT 1 FROM effects')).rowCount === 0,
    60_000,
  );
  worker.process.kill('SIGTERM');
  const code = await worker.ended;
  const { slots, missing, doubled } = await countSlots(client);
  await client.end();
  for (const line of missing.slice(0, SHOWN)) say(`missing ${line}`);
  for (const line of doubled.slice(0, SHOWN)) say(`doubled ${line}`);
  if (code !== 0) say(`the worker ended with ${code}:\n${worker.output().slice(-2000)}`);
  say(`${schedulers.kills} kills, ${schedulers.spared} times none because too few were up`);
  say(`${slots} slots, ${missing.length} missing, ${doubled.length} doubled`);
  process.exitCode = missing.length + doubled.length === 0 && code === 0 ? 0 : 1;
} finally {
  await servers.stop();
  await rm(dir, { recursive: true, force: true });
}
process.exit();
