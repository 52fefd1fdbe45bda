/**
 * Replays the same data twice and checks the end: every candle row stored once, every model decided in every slot, rows and keys agree,
 * and the second run gives the same fills.
 *
 *   npm run test:replay -- [--data DIR] [--hours H] [--trades N]
 */

import { parseArgs } from 'node:util';
import { nof0 } from '../processes.ts';
import { difference, ReplayBench, type RunRows, say, TALKER } from './bench.ts';

/** Those that never close anything by design. */
const PASSIVE = new Set(['buy-and-hold', TALKER]);

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    hours: { type: 'string', default: '24' },
    trades: { type: 'string', default: '1' },
  },
});
const faults: string[] = [];
const expect = (what: string, holds: boolean) => {
  if (!holds) faults.push(what);
};

function checkRows(rows: RunRows, candleRows: number): void {
  const cycles = rows.cycles.map((row) => JSON.parse(row) as { model_id: string; slot_ms: string });
  const slots = new Set(cycles.map((cycle) => cycle.slot_ms));
  const models = new Set(cycles.map((cycle) => cycle.model_id));
  expect(`${rows.candles.length} candles stored, ${candleRows} in the files`, rows.candles.length === candleRows);
  expect(
    `${cycles.length} cycles, ${slots.size} slots × ${models.size} models`,
    cycles.length === slots.size * models.size,
  );
  const trades = rows.trades.map((row) => JSON.parse(row) as { model_id: string; voided_at: string | null });
  for (const model of models) {
    const closed = trades.filter((trade) => trade.model_id === model && trade.voided_at === null).length;
    if (!PASSIVE.has(model))
      expect(`${model} closed ${closed} trades, expected at least ${values.trades}`, closed >= Number(values.trades));
  }
}

async function checkAgreement(run: string): Promise<void> {
  const verify = nof0(['verify', '--run', run, '--json'], bench.env);
  const code = await verify.ended;
  expect(`verify of ${run} exits with ${code}:\n${verify.output().slice(0, 2000)}`, code === 0);
  if (code !== 0) return;
  const report = JSON.parse(verify.answer()) as { checks: { family: string; compared: number }[] };
  for (const check of report.checks) expect(`verify compared no ${check.family}`, check.compared > 0);
}

const bench = await ReplayBench.open({ data: values.data, hours: Number(values.hours), talks: true });
try {
  const first = await bench.replay('first');
  checkRows(first, await bench.candleRows());
  await checkAgreement('first');
  const { lost, doubled } = difference(first, await bench.replay('second'));
  expect(`the second run differs in ${lost + doubled} rows`, lost + doubled === 0);
  for (const fault of faults) say(`FAULT ${fault}`);
  say(`${faults.length} faults; two runs of ${values.hours} h differ in ${lost + doubled} rows`);
  process.exitCode = faults.length === 0 ? 0 : 1;
} finally {
  await bench.close();
}
process.exit();
