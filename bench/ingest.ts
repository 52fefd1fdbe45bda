/**
 * What ticks cost on their way in: from a feed through the outbox and the queue into Postgres and the price keys, next to the one thing
 * that nobody can leave out (their INSERT) and to what one would write first (a statement a tick). All sides write the same rows into the
 * same table with the same indexes, in turns, so that the machine's other work falls on all alike.
 *
 *   npm run bench:ingest -- [--rows N] [--batch N] [--rounds N] [--rate TICKS_PER_S] [--seconds N] [--ticks N]
 *
 * `--ticks 5000000` is the whole look at memory; 0 leaves it out. Prints every figure with its target; exits with 1 when one is missed.
 */

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { ServerUrls } from '../src/embedded/servers.ts';
import type { Resources } from '../src/resources.ts';
import { ensurePartitions } from '../src/store/tick-partitions.ts';
import { measureDelay } from './ingest-delay.ts';
import { IngestPath } from './ingest-path.ts';
import { insertAlone, registerSymbols, rowByRow, SYMBOLS, ticksFrom } from './ingest-rows.ts';
import { median, onStage, openBench, quantile, say } from './stage.ts';

const TARGET = { ofInsert: 0.4, ofRowByRow: 20, delayMs: 50, memory: 1.1 };
/** Of the rows that the others write: one at a time takes long enough. */
const ROW_BY_ROW_PART = 20;
const MEMORY_PARTS = 5;
const DAY = Date.UTC(2026, 0, 1);

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '40000' },
    batch: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '7' },
    rate: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '10' },
    ticks: { type: 'string', default: '500000' },
  },
});
const [rows, batch, rounds, ticks] = [values.rows, values.batch, values.rounds, values.ticks].map(Number) as [
  number,
  number,
  number,
  number,
];

type Opened = { readonly servers: ServerUrls; readonly resources: Resources; readonly ingest: IngestPath };
/** Prints a figure and says whether it is as it should be. */
type Part = (opened: Opened) => Promise<boolean>;

const throughput: Part = async ({ resources: { db }, ingest }) => {
  const few = Math.ceil(rows / ROW_BY_ROW_PART);
  const sides = {
    insert: { rows, run: (all: ReturnType<typeof ticksFrom>) => insertAlone(db, all, batch) },
    path: { rows, run: (all: ReturnType<typeof ticksFrom>) => ingest.send(all, batch) },
    rowByRow: { rows: few, run: (all: ReturnType<typeof ticksFrom>) => rowByRow(db, all.slice(0, few)) },
  };
  const speeds: Record<keyof typeof sides, number[]> = { insert: [], path: [], rowByRow: [] };
  let lost = 0;
  for (let round = 0; round <= rounds; round++) {
    const all = ticksFrom(DAY + round * rows, 0, rows);
    await ensurePartitions(db, all);
    for (const [name, side] of Object.entries(sides) as [keyof typeof sides, (typeof sides)['path']][]) {
      await db.query('TRUNCATE price_ticks');
      const began = performance.now();
      await side.run(all);
      // The first round only warms everything up.
      if (round > 0) speeds[name].push((side.rows * 1000) / (performance.now() - began));
      const [stored] = await db.query<{ rows: number }>('SELECT count(*) AS rows FROM price_ticks');
      lost += side.rows - (stored?.rows ?? 0);
    }
  }
  const ratios = speeds.path.map((speed, round) => speed / (speeds.insert[round] ?? Number.NaN));
  const [ofInsert, ofRows] = [median(ratios), median(speeds.path) / median(speeds.rowByRow)];
  const [path, insert, one] = [speeds.path, speeds.insert, speeds.rowByRow].map((list) => Math.round(median(list)));
  say(`${rows} ticks of ${SYMBOLS.length} symbols in batches of ${batch}, ${rounds} rounds, ${lost} lost`);
  say(`ticks/s: whole path ${path}, INSERT alone ${insert}, row by row ${one}`);
  say(
    `whole path / INSERT alone: ${ofInsert.toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}; target >= ${TARGET.ofInsert})`,
  );
  say(`whole path / row by row: ${ofRows.toFixed(1)} (target >= ${TARGET.ofRowByRow})`);
  return lost === 0 && ofInsert >= TARGET.ofInsert && ofRows >= TARGET.ofRowByRow;
};

const delay: Part = async ({ servers, resources, ingest }) => {
  // What the machine does to everybody: how late this process wakes up. It bounds what a delay can be.
  const lateness = monitorEventLoopDelay({ resolution: 1 });
  lateness.enable();
  const wish = { rate: Number(values.rate), seconds: Number(values.seconds) };
  const { delays, missing } = await measureDelay(resources, ingest, servers.cacheRedisUrl, wish);
  lateness.disable();
  const p99 = quantile(delays, 0.99);
  say(`this process woke up late by p99 ${(lateness.percentile(99) / 1e6).toFixed(1)} ms`);
  say(
    `tick to readable key at ${wish.rate} ticks/s: p50 ${quantile(delays, 0.5)} ms, p99 ${p99} ms, ${missing} of ${delays.length + missing} never (target p99 <= ${TARGET.delayMs} ms)`,
  );
  return missing === 0 && p99 <= TARGET.delayMs;
};

const memory: Part = async ({ resources: { db }, ingest }) => {
  await db.query('TRUNCATE price_ticks');
  const part = Math.floor(ticks / MEMORY_PARTS);
  const used: number[] = [];
  for (let index = 0; index < MEMORY_PARTS; index++) {
    const samples: number[] = [];
    for (let first = 0; first < part; first += rows) {
      const some = ticksFrom(DAY, index * part + first, Math.min(rows, part - first));
      await ensurePartitions(db, some);
      await ingest.send(some, batch, () => samples.push(process.memoryUsage.rss()));
    }
    used.push(samples.reduce((sum, bytes) => sum + bytes, 0) / samples.length);
  }
  const ratio = (used.at(-1) ?? Number.NaN) / (used[0] ?? Number.NaN);
  const sizes = used.map((bytes) => Math.round(bytes / 1024 / 1024)).join(', ');
  say(`${ticks} ticks, resident memory by fifths: ${sizes} MiB`);
  say(`last fifth / first fifth: ${ratio.toFixed(2)} (target <= ${TARGET.memory})`);
  return ratio <= TARGET.memory;
};

process.exitCode = await onStage(async (servers, dir) => {
  const resources = await openBench(servers, dir);
  try {
    await registerSymbols(resources.db);
    const ingest = await IngestPath.open(resources);
    const parts = [rounds > 0 && throughput, Number(values.seconds) > 0 && delay, ticks > 0 && memory];
    let met = true;
    for (const part of parts) if (part) met = (await part({ servers, resources, ingest })) && met;
    await ingest.close();
    return met ? 0 : 1;
  } finally {
    await resources.close();
  }
});
