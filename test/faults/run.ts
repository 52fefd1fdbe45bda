/**
 * Does every fault to a replay of its own and compares its end with a calm one: nothing may be lost and nothing done twice, and nothing
 * may be left behind. Seeded: the same seed does the same at the same market times.
 *
 *   npm run test:faults -- [--seed S] [--only NAME] [--hours H] [--speed FACTOR] [--desk equities]
 */

import { parseArgs } from 'node:util';
import { uniform } from '../../src/domain/random.ts';
import { type Dice, FAULTS, type Fault } from './faults.ts';
import { arenaReplay, deskReplay } from './replays.ts';
import { compare, type Rows } from './rows.ts';
import { FaultServers } from './servers.ts';
import { Stage } from './stage.ts';

const SHOWN = 4;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    hours: { type: 'string', default: '3' },
    speed: { type: 'string', default: 'max' },
    desk: { type: 'string', default: 'arena' },
  },
});
const seed = values.seed ?? '1';
let playing: Stage | null = null;
const say = (line: string) => process.stdout.write(`${line}\n`);

/** `wrong`: everything that must not be, except for differing rows. `pause`: how long nothing went on, s. */
type End = { rows: Rows; wrong: string[]; seconds: number; pause: number };

/** One replay from its start to its end, with or without a fault. */
async function play(stage: Stage, fault: Fault | null): Promise<End> {
  const startedAt = performance.now();
  playing = stage;
  await stage.start();
  try {
    if (fault !== null) {
      const dice: Dice = (purpose) => uniform(seed, fault.name, purpose);
      await fault.inject(stage, dice);
    }
    await stage.finished();
    const wrong = await stage.leftBehind();
    wrong.push(...(await stage.stop()), ...(await stage.verify()));
    const pause = await stage.longestPause();
    return { rows: await stage.rows(), wrong, seconds: (performance.now() - startedAt) / 1000, pause };
  } catch (error) {
    await stage.stop();
    throw error;
  }
}

function report(name: string, seconds: number, result: string, details: readonly string[]): void {
  say(`${name.padEnd(20)} ${seconds.toFixed(1).padStart(6)} s  ${result}`);
  for (const line of details) say(`    ${line.slice(0, 2500)}`);
}

const chosen = FAULTS.filter((fault) => values.only === undefined || fault.name === values.only);
if (chosen.length === 0)
  throw new Error(`no fault "${values.only}"; there are ${FAULTS.map((f) => f.name).join(', ')}`);
const servers = await FaultServers.open();
// The servers and the processes of a replay would outlive this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    playing?.kill();
    void servers.close().finally(() => process.exit(130));
  });
let lost = 0;
let doubled = 0;
let broken = 0;
try {
  const speed = values.speed ?? 'max';
  const replay =
    values.desk === 'equities'
      ? await deskReplay(servers.dir, speed)
      : await arenaReplay(servers.dir, Number(values.hours), speed);
  const calm = await play(new Stage(servers, 'calm', replay), null);
  const counts = Object.entries(calm.rows).map(([family, rows]) => `${rows.length} ${family}`);
  report('calm', calm.seconds, counts.join(', '), calm.wrong);
  broken += calm.wrong.length;
  for (const fault of chosen) {
    const startedAt = performance.now();
    try {
      const { rows, wrong, seconds, pause } = await play(new Stage(servers, fault.name, replay), fault);
      const difference = compare(calm.rows, rows);
      lost += difference.lost.length;
      doubled += difference.doubled.length;
      broken += wrong.length;
      const clean = difference.lost.length + difference.doubled.length + wrong.length === 0;
      report(
        fault.name,
        seconds,
        clean
          ? `nothing lost, nothing doubled; the longest pause was ${pause.toFixed(1)} s`
          : `${difference.lost.length} lost, ${difference.doubled.length} doubled, ${wrong.length} wrong`,
        [
          ...difference.lost.slice(0, SHOWN).map((row) => `lost ${row}`),
          ...difference.doubled.slice(0, SHOWN).map((row) => `doubled ${row}`),
          ...wrong,
        ],
      );
    } catch (error) {
      broken += 1;
      report(fault.name, (performance.now() - startedAt) / 1000, 'did not come to its end', [String(error)]);
    }
  }
} finally {
  await servers.close();
}
say(`${chosen.length} faults, ${lost} lost, ${doubled} doubled${broken > 0 ? `, ${broken} wrong` : ''}`);
process.exit(lost + doubled + broken === 0 ? 0 : 1);
