/**
 * Ticks as one text: `symbol source time price` a line, the first two by their place in a list, the time in ms after `fromMs`. A batch of thousands passes an outbox, a
 * queue and two processes; as objects it would be taken apart and put together again at each of them.
 */

import { CodedError } from '../errors.ts';
import type { Tick } from './market.ts';

export type PackedTicks = {
  readonly symbols: readonly string[];
  readonly sources: readonly string[];
  readonly fromMs: number;
  readonly rows: string;
};

export function packTicks(ticks: readonly Tick[]): PackedTicks {
  const symbols = new Map<string, number>();
  const sources = new Map<string, number>();
  const fromMs = ticks[0]?.tsMs ?? 0;
  const rows = ticks.map(
    ({ symbol, source, tsMs, price }) =>
      `${placeOf(symbols, symbol)} ${placeOf(sources, source)} ${tsMs - fromMs} ${price}`,
  );
  return { symbols: [...symbols.keys()], sources: [...sources.keys()], fromMs, rows: rows.join('\n') };
}

/** @throws CodedError NOF0_PAYLOAD_INVALID for a line that is no tick */
export function unpackTicks({ symbols, sources, fromMs, rows }: PackedTicks): Tick[] {
  if (rows === '') return [];
  return rows.split('\n').map((row, line) => {
    const [symbolAt, sourceAt, time, price, ...rest] = row.split(' ');
    const tick = {
      symbol: symbols[Number(symbolAt)],
      tsMs: fromMs + Number(time),
      price: Number(price),
      source: sources[Number(sourceAt)],
    };
    if (rest.length > 0 || !isTick(tick))
      throw new CodedError('NOF0_PAYLOAD_INVALID', `tick ${line} of the batch is none: "${row.slice(0, 100)}"`);
    return tick;
  });
}

export function countPacked({ rows }: PackedTicks): number {
  if (rows === '') return 0;
  let lines = 1;
  for (let at = rows.indexOf('\n'); at >= 0; at = rows.indexOf('\n', at + 1)) lines += 1;
  return lines;
}

function placeOf(places: Map<string, number>, name: string): number {
  const known = places.get(name);
  if (known !== undefined) return known;
  places.set(name, places.size);
  return places.size - 1;
}

function isTick(tick: {
  symbol: string | undefined;
  tsMs: number;
  price: number;
  source: string | undefined;
}): tick is Tick {
  const { symbol, tsMs, price, source } = tick;
  return (
    symbol !== undefined && source !== undefined && Number.isSafeInteger(tsMs) && Number.isFinite(price) && price > 0
  );
}
