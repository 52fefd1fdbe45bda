/**
 * The crash matrix: a replay is killed (SIGKILL) before and after every commit, external call, Redis write and acknowledgement, started
 * again, and must come to the same end as one that nobody killed. The boundaries are those that the code itself names while it runs.
 *
 *   npm run test:crash -- [--seeds S] [--seed TEXT] [--only SUBSTRING] [--sample N] [--pairs P] [--parallel N] [--desk equities] [--keep]
 */

import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { choose, describe, inRecovery, type Passes, pairs, single } from './cases.ts';
import { judge } from './judge.ts';
import type { Kill } from './plan.ts';
import { type Played, play } from './run-case.ts';
import { Stage } from './stage.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1' },
    seed: { type: 'string', default: 'crash' },
    only: { type: 'string', default: '' },
    sample: { type: 'string' },
    pairs: { type: 'string' },
    parallel: { type: 'string', default: String(2 * availableParallelism()) },
    desk: { type: 'string', default: 'arena' },
    keep: { type: 'boolean', default: false },
  },
});
const seeds = Number(values.seeds);
const seed = values.seed ?? 'crash';
const only = values.only ?? '';
const sample = values.sample === undefined ? null : Number(values.sample);
const pairCount = Number(values.pairs ?? (sample === null ? 12 : 2));
const parallel = Number(values.parallel);
/** A recovery may pass boundaries of its own, and so may the recovery from a death there. */
const RECOVERY_ROUNDS = 2;
/** Whether a recovery passes a boundary can depend on how long it took. */
const TRIES = 3;
const SHOWN = 6;

const say = (line: string) => process.stdout.write(`${line}\n`);

class Matrix {
  readonly #stage: Stage;
  readonly #calm: Played;
  /** Boundaries somebody died at. */
  readonly died = new Set<string>();
  readonly unreached = new Set<string>();
  /** Boundaries that only a restarted process passes, with the deaths before. */
  readonly discovered = new Map<string, readonly Kill[]>();
  lost = 0;
  doubled = 0;
  cases = 0;
  #next = 0;

  constructor(stage: Stage, calm: Played) {
    this.#stage = stage;
    this.#calm = calm;
  }

  /** Plays the cases, some at a time. */
  async play(cases: readonly (readonly Kill[])[]): Promise<void> {
    const queue = [...cases];
    const lane = async () => {
      for (let kills = queue.shift(); kills !== undefined; kills = queue.shift()) await this.#try(kills);
    };
    await Promise.all(Array.from({ length: parallel }, lane));
  }

  /** A pass that a run does not come to is tried again at the first one. */
  async #try(kills: readonly Kill[], tries = TRIES): Promise<void> {
    const reached = await this.#one(kills);
    const missed = kills[reached];
    if (missed === undefined || this.died.has(missed.label)) return;
    if (tries === 1) this.unreached.add(missed.label);
    else
      await this.#try(
        kills.map((kill, index) => (index === reached ? { ...kill, occurrence: 1 } : kill)),
        tries - 1,
      );
  }

  /** Plays one case and judges it. Returns how many of its boundaries it died at. */
  async #one(kills: readonly Kill[]): Promise<number> {
    const run = `c${++this.#next}`;
    const startedAt = Date.now();
    const seconds = () => ((Date.now() - startedAt) / 1000).toFixed(1);
    this.cases += 1;
    try {
      const played = await play(this.#stage, run, kills);
      const { lost, doubled } = judge(this.#calm.end, played, this.#stage.oracle.asked(run));
      this.lost += lost.length;
      this.doubled += doubled.length;
      for (const { label } of played.deaths) this.died.add(label);
      for (const label of Object.keys(played.passed))
        if (!(label in this.#calm.passed) && !this.discovered.has(label) && played.deaths.length > 0)
          this.discovered.set(label, kills.slice(0, played.deaths.length));
      const right = lost.length + doubled.length === 0;
      const note = played.deaths.length < kills.length ? ` (not reached: ${kills[played.deaths.length]?.label})` : '';
      const answers = played.deaths.flatMap(({ asking }) => asking).length > 0 ? ' (answer_lost)' : '';
      say(`${right ? 'ok' : 'FAULT'} ${run} ${describe(kills)}${note}${answers}, ${seconds()} s`);
      for (const line of lost.slice(0, SHOWN)) say(`  lost: ${line.slice(0, 400)}`);
      for (const line of doubled.slice(0, SHOWN)) say(`  doubled: ${line.slice(0, 400)}`);
      if (right) await this.#stage.forget(run);
      return played.deaths.length;
    } catch (error) {
      this.lost += 1;
      for (const { label } of kills) this.died.add(label);
      say(`FAULT ${run} ${describe(kills)}, ${seconds()} s: ${error instanceof Error ? error.message : String(error)}`);
      return kills.length;
    }
  }
}

/** Two calm runs: what they do not agree on could not be blamed on a crash. */
async function calmRuns(stage: Stage): Promise<Played> {
  const [first, second] = await Promise.all([play(stage, 'calm', []), play(stage, 'again', [])]);
  const { lost, doubled } = judge(first.end, second, stage.oracle.asked('again'));
  for (const line of [...lost, ...doubled]) say(`calm runs differ: ${line.slice(0, 400)}`);
  if (lost.length + doubled.length > 0) throw new Error('two calm runs come to different ends');
  return first;
}

async function main(): Promise<boolean> {
  const startedAt = Date.now();
  const stage = await Stage.open(values.desk === 'equities' ? 'equities' : 'arena');
  let clean = false;
  try {
    const calm = await calmRuns(stage);
    const all = Object.entries(calm.passed);
    for (const [label, times] of all) say(`boundary ${label}: passed ${times} times`);
    const passes: Passes = Object.fromEntries(all.filter(([label]) => label.includes(only)));
    const chosen = choose(Object.keys(passes), sample, seed);
    say(`${all.length} boundaries, ${chosen.length} chosen; ${calm.end.facts.length} facts to agree on`);
    const matrix = new Matrix(stage, calm);
    for (let s = 0; s < seeds; s++)
      await matrix.play([
        ...chosen.map((label) => single(label, passes, `${seed} ${s}`)),
        ...pairs(passes, pairCount, `${seed} ${s}`),
      ]);
    const known = new Set<string>();
    for (let round = 0; round < RECOVERY_ROUNDS && sample === null; round++) {
      const fresh = [...matrix.discovered].filter(([label]) => !known.has(label) && label.includes(only));
      for (const [label] of fresh) {
        known.add(label);
        say(`boundary ${label}: passed by a recovery`);
      }
      await matrix.play(fresh.map(([label, before]) => inRecovery(label, before)));
    }
    const missed = [...matrix.unreached].filter((label) => !matrix.died.has(label));
    for (const label of missed) say(`not reached: ${label}`);
    say(`${matrix.cases} runs in ${((Date.now() - startedAt) / 60_000).toFixed(1)} min`);
    say(`${matrix.died.size} boundaries × ${seeds} seeds, ${matrix.lost} lost, ${matrix.doubled} doubled`);
    clean = matrix.lost + matrix.doubled === 0;
    return clean;
  } finally {
    await stage.close(values.keep || !clean);
    if (!clean) say(`what is left of it: ${stage.dir}`);
  }
}

process.exit((await main()) ? 0 : 1);
