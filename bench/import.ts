/**
 * Imports a file of generated trades with `nof0 import` on servers of its own, then once more, and says how long each took.
 *
 *   npm run bench:import -- [--trades N] [--models M]
 *
 * Exits with 1 when the first import takes longer than the target.
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { mix } from '../src/domain/random.ts';
import { trade } from '../test/import/files.ts';
import { runNof0 } from '../test/processes.ts';
import { say } from './stage.ts';

const TARGET_S = 30;
const FROM_S = 1_760_000_000;

const { values } = parseArgs({
  options: { trades: { type: 'string', default: '100000' }, models: { type: 'string', default: '6' } },
});
const [total, models] = [Number(values.trades), Number(values.models)];

/** A trade whose figures are its own; written as the original writes them, a line a field. */
function generated(index: number): string {
  const entry = FROM_S + index * 30;
  const gross = (mix(1, index, 0) - 0.5) * 1000;
  const fees = 5 + 20 * mix(2, index, 0);
  const fields = {
    id: `model-${index % models}_${index}`,
    model_id: `model-${index % models}`,
    entry_time: entry + 0.25,
    exit_time: entry + 60 + Math.floor(mix(3, index, 0) * 100_000) + 0.5,
    realized_gross_pnl: gross,
    realized_net_pnl: gross - fees,
    total_commission_dollars: fees,
    entry_price: 100 + mix(4, index, 0),
  };
  return JSON.stringify(trade(fields), null, 1);
}

async function writeTrades(file: string): Promise<void> {
  const out = createWriteStream(file);
  out.write('{"trades": [');
  for (let index = 0; index < total; index++) {
    if (!out.write(`${index === 0 ? '' : ','}${generated(index)}`)) await once(out, 'drain');
  }
  out.end('], "serverTime": 1761452354435}');
  await once(out, 'finish');
}

const dir = await mkdtemp(path.join(tmpdir(), 'nof0-bench-import-'));
try {
  const file = path.join(dir, 'trades.json');
  await writeTrades(file);
  say(`${total} trades of ${models} models, ${((await stat(file)).size / 1e6).toFixed(0)} MB`);
  const env = { NOF0_DATA_DIR: path.join(dir, 'data'), NOF0_LOG_LEVEL: 'fatal' };
  for (const round of ['first', 'second']) {
    const { code, output } = await runNof0(['import', dir, '--run', 'bench'], env);
    const seconds = Number(/after ([\d.]+) s/.exec(output)?.[1] ?? Number.NaN);
    say(`${round} import: ${seconds} s (target of the first: ${TARGET_S} s)\n${output}`);
    if (code !== 0 || (round === 'first' && !(seconds <= TARGET_S))) process.exitCode = 1;
  }
} finally {
  await rm(dir, { recursive: true, force: true });
}
