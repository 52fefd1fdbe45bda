/** A recorded session of the equities desk, for tests that want fewer stocks and a shorter history than the synthetic feed has. */

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sessionBefore, sessionOf } from '../src/domain/desk/calendar.ts';
import { inventNews } from '../src/market/equities/news.ts';
import { inventStocks, VIX } from '../src/market/equities/synthetic.ts';

const MINUTE_MS = 60_000;

/** How much of the session before is told, too: what the slowest indicator needs. */
const HISTORY_MINUTES = 150;

/**
 * Writes the minute candles of the stocks on a day, and the end of the session before, into the folder as `--market csv` reads them, with
 * their sectors and headlines.
 */
export async function writeSession(
  dir: string,
  { seed, day, symbols }: { readonly seed: string; readonly day: string; readonly symbols: readonly string[] },
): Promise<{ data: string; openMs: number; closeMs: number }> {
  const session = sessionOf(day);
  if (session === null) throw new Error(`no session on ${day}`);
  const fromMs = sessionBefore(day).closeMs - HISTORY_MINUTES * MINUTE_MS;
  const { assets, candles } = inventStocks(seed, day);
  const chosen = assets.filter(({ symbol }) => symbol === VIX || symbols.includes(symbol));
  await mkdir(dir, { recursive: true });
  for (const { symbol } of chosen) {
    const lines = (candles.get(symbol) ?? [])
      .filter(({ openTsMs }) => openTsMs >= fromMs)
      .map((c) => [c.openTsMs, c.open, c.high, c.low, c.close, c.volume].join(','));
    await writeFile(path.join(dir, `made_${symbol}_1m_${day}.csv`), `t,o,h,l,c,v\n${lines.join('\n')}\n`);
  }
  const instruments = chosen.map(({ symbol, sector }) =>
    symbol === VIX ? { symbol, kind: 'index' } : { symbol, sector },
  );
  await writeFile(path.join(dir, 'instruments.json'), JSON.stringify(instruments));
  const news = await inventNews(seed, day, symbols).fetch(null, session.closeMs);
  await writeFile(path.join(dir, 'news.json'), JSON.stringify(news));
  return { data: dir, openMs: session.openMs, closeMs: session.closeMs };
}
