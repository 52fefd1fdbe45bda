/** Directories of files as the original writes them. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tempDir } from '../temp-dir.ts';

export const SERVER_TIME = 1_761_452_354_435;

/** A closed trade of the original; fields can be changed or (undefined) left out. */
export function trade(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const row: Record<string, unknown> = {
    id: 'm1_a',
    exit_sz: 2,
    entry_commission_dollars: 1,
    symbol: 'BTC',
    total_commission_dollars: 2.5,
    entry_liquidation: null,
    entry_sz: 2,
    entry_tid: 153_729_250_316_538,
    quantity: 2,
    exit_crossed: true,
    confidence: 0,
    exit_commission_dollars: 1.5,
    entry_oid: 210_670_009_667,
    exit_oid: 211_430_311_848,
    entry_closed_pnl: -1,
    exit_tid: 700_881_881_203_683,
    exit_plan: {},
    exit_time: 1_761_318_035.473,
    exit_liquidation: null,
    entry_time: 1_761_249_208.445,
    side: 'long',
    entry_price: 100,
    entry_crossed: true,
    exit_closed_pnl: 18.5,
    realized_net_pnl: 17.5,
    exit_price: 110,
    realized_gross_pnl: 20,
    leverage: 1,
    trade_type: 'long',
    model_id: 'm1',
    ...fields,
  };
  const human = (seconds: unknown) => (typeof seconds === 'number' ? humanTime(seconds) : '');
  return {
    ...row,
    entry_human_time: human(row.entry_time),
    exit_human_time: human(row.exit_time),
    trade_id: `${float(row.entry_time)}_${row.symbol}_${float(row.exit_time)}_${row.model_id}`,
  };
}

const float = (value: unknown) => (Number.isInteger(value) ? `${value}.0` : String(value));
const humanTime = (seconds: number) =>
  new Date(Math.round(seconds * 1000))
    .toISOString()
    .replace('T', ' ')
    .replace('Z', '000')
    .replace(/\.000000$/, '');

/** Writes the files into a directory of their own. Texts are written as they are. */
export async function directoryOf(files: Record<string, unknown>): Promise<string> {
  const dir = await tempDir('nof0-import-');
  for (const [name, content] of Object.entries(files)) await put(dir, name, content);
  return dir;
}

export function put(dir: string, name: string, content: unknown): Promise<void> {
  return writeFile(path.join(dir, name), typeof content === 'string' ? content : JSON.stringify(content));
}
