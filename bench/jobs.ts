/**
 * What the platform costs beside the bare queue: jobs per second through the pipeline (promised in the outbox, acknowledged, with run
 * history) over jobs per second of a bare BullMQ worker, for a job that does nothing and for one that commits seven statements.
 *
 *   npm run bench:jobs -- [--rounds N]
 *
 * Both sides run in turns, so that what else happens on the machine hits both; ratios and medians count, not single figures. Exits
 * with 1 when a target is missed or a run is missing in the history.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { ServerUrls } from '../src/embedded/servers.ts';
import { Database } from '../src/store/database.ts';
import type { Result, Round, Side, Start } from './contender.ts';
import { median, onStage, say } from './stage.ts';
import { createWorkTables } from './work.ts';

const SIDES = ['bare', 'pipeline'] as const satisfies Side[];
const KINDS = [
  { name: 'no-op', jobs: 10_000, commits: false, target: 0.6 },
  { name: 'commit', jobs: 3000, commits: true, target: 0.9 },
] as const;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);

class Contender {
  readonly side: Side;
  readonly #child: ChildProcess;

  private constructor(side: Side, child: ChildProcess) {
    this.side = side;
    this.#child = child;
  }

  static async open(servers: ServerUrls, dir: string, side: Side): Promise<Contender> {
    const start: Start = { servers, dir, side };
    const child = fork(path.join(import.meta.dirname, 'contender.ts'), [JSON.stringify(start)]);
    child.once('exit', (code) => {
      if (code !== 0) throw new Error(`the ${side} side ended with ${code}`);
    });
    await once(child, 'message');
    return new Contender(side, child);
  }

  /** Jobs per second of a round. */
  async play(round: Round): Promise<number> {
    this.#child.send(round);
    const [{ ms, cpuMs }] = (await once(this.#child, 'message')) as [Result];
    const rate = (round.jobs / ms) * 1000;
    say(
      `  ${this.side.padEnd(8)} ${rate.toFixed(0).padStart(6)} jobs/s, ${((cpuMs / round.jobs) * 1000).toFixed(0)} µs of its processor a job`,
    );
    return rate;
  }

  async close(): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.disconnect();
    await exit;
  }
}

/** Plays all rounds of one kind in turns, and says how the platform compares: the ratio of the medians. */
async function compare(contenders: readonly Contender[], kind: (typeof KINDS)[number]): Promise<number> {
  const rates: Record<Side, number[]> = { bare: [], pipeline: [] };
  for (let round = 0; round <= rounds; round++) {
    say(round === 0 ? `${kind.name}, warming up` : `${kind.name}, round ${round}`);
    // Whoever comes second finds the machine warm: they take turns with that too.
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      const rate = await contender.play({ jobs: kind.jobs, commits: kind.commits });
      if (round > 0) rates[contender.side].push(rate);
    }
  }
  const [bare, pipeline] = SIDES.map((side) => median(rates[side]));
  const ratio = (pipeline ?? 0) / (bare ?? 1);
  say(
    `${kind.name}: bare ${bare?.toFixed(0)}/s, pipeline ${pipeline?.toFixed(0)}/s (medians), ratio ${ratio.toFixed(2)}`,
  );
  return ratio;
}

const failures = await onStage(async (servers, dir) => {
  const db = new Database(servers.databaseUrl, { max: 1, applicationName: 'bench', onError: () => {} });
  await createWorkTables(db);
  const contenders = await Promise.all(SIDES.map((side) => Contender.open(servers, dir, side)));
  const ratios: number[] = [];
  for (const kind of KINDS) ratios.push(await compare(contenders, kind));
  await Promise.all(contenders.map((contender) => contender.close()));
  const [counted] = await db.query<{ runs: number; promised: number }>(
    `SELECT (SELECT count(*) FROM job_runs WHERE outcome = 'done') AS runs, (SELECT count(*) FROM effects) AS promised`,
  );
  await db.close();
  const ran = KINDS.reduce((sum, kind) => sum + kind.jobs * (rounds + 1), 0);
  const faults = [
    ...(counted?.runs === ran ? [] : [`${ran} jobs ran, the history holds ${counted?.runs}`]),
    ...(counted?.promised === 0 ? [] : [`${counted?.promised} jobs were not acknowledged`]),
    ...KINDS.flatMap((kind, index) =>
      (ratios[index] ?? 0) >= kind.target ? [] : [`${kind.name} ratio is below ${kind.target}`],
    ),
  ];
  for (const fault of faults) say(`MISSED: ${fault}`);
  const figures = KINDS.map((kind, index) => `${kind.name} ratio ${ratios[index]?.toFixed(2)} (target ${kind.target})`);
  say(`${figures.join(', ')}, ${counted?.runs} history rows`);
  return faults.length;
});
process.exitCode = failures > 0 ? 1 : 0;
