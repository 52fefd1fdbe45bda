/** Candle files for tests that must not depend on data beside the repository. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { syntheticMarket } from '../src/market/synthetic.ts';

/** 2025-07-22T00:00:00Z */
const START_MS = 1_753_142_400_000;
const HOUR_MS = 3_600_000;

/** Writes `hours` of invented minute candles and funding prints of six coins into the folder, as a replay reads them. */
export async function writeCandles(
  dir: string,
  hours: number,
): Promise<{ data: string; startMs: number; rows: number }> {
  await mkdir(dir, { recursive: true });
  const endMs = START_MS + hours * HOUR_MS;
  const batch = await syntheticMarket({ seed: 'candle files', historyMs: hours * HOUR_MS, tickMs: 1000 }).fetch(
    null,
    endMs,
  );
  const symbols = [...new Set(batch.candles.map((candle) => candle.symbol))];
  for (const symbol of symbols) {
    const candles = batch.candles.filter((candle) => candle.symbol === symbol);
    const lines = candles.map((c) => [c.openTsMs, c.open, c.high, c.low, c.close, c.volume].join(','));
    await writeFile(path.join(dir, `made_${symbol}_1m_2025-07.csv`), `t,o,h,l,c,v\n${lines.join('\n')}\n`);
    const prints = batch.fundings
      .filter((funding) => funding.symbol === symbol)
      .map((funding) => `${funding.tsMs},${funding.rate}`);
    if (prints.length > 0)
      await writeFile(path.join(dir, `made_${symbol}_funding_1h_2025-07.csv`), `t,fundingRate\n${prints.join('\n')}\n`);
  }
  return { data: dir, startMs: START_MS, rows: batch.candles.length };
}
