/** Tells those who watch what was just written into the cache role. They are hints: whoever misses one reads the key. */

import type { ScriptedRedis } from '../redis/connections.ts';
import { FAMILIES, type KeyRegistry } from '../redis/keys.ts';
import { type LiveMessage, sayLive } from '../redis/live-channel.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Members, Target } from './projection.ts';

/** A price as the API shows it. */
type Price = { readonly symbol: string };
/** A key that was written, with its value. */
export type Written = { readonly target: Target; readonly members: Members };

export async function announceKeys(
  redis: ScriptedRedis,
  keys: KeyRegistry,
  metrics: Metrics,
  written: readonly Written[],
): Promise<void> {
  const desk = written.filter(({ target }) => isDesk(target.family));
  await say(redis, keys, metrics, [...written.flatMap(messageOf), ...deskMessages(keys, desk)]);
  if (desk.length > 0) await sayDesk(redis, keys, metrics, desk);
}

export async function announcePrices(
  redis: ScriptedRedis,
  keys: KeyRegistry,
  metrics: Metrics,
  prices: readonly Price[],
): Promise<void> {
  if (prices.length > 0) await say(redis, keys, metrics, [pricesMessage(prices)]);
}

export function pricesMessage(prices: readonly Price[]): LiveMessage {
  return {
    topic: 'prices',
    of: '',
    data: JSON.stringify({ prices: Object.fromEntries(prices.map((price) => [price.symbol, price])) }),
  };
}

/** What a value of a key says to those who watch; nothing for most keys. */
export function messageOf({ target, members: [text] }: Written): LiveMessage[] {
  if (text === undefined) return [];
  if (target.family === 'leaderboardCache') return [{ topic: 'equity', of: '', data: text }];
  if (target.family !== 'decisionLast') return [];
  const [modelId = ''] = target.ids;
  return [{ topic: 'decisions', of: modelId, data: JSON.stringify({ model_id: modelId, ...JSON.parse(text) }) }];
}

/** Keys of the desk that are one a stock and move with every price: whoever watches the whole desk is not told each of them. */
const PER_STOCK: ReadonlySet<Target['family']> = new Set([
  'stockPrice',
  'stockIndicators',
  'stockSentiment',
  'stockPosition',
]);

/** What keys of the desk say to those who watch it. The state of the system moves with every ingest, so nobody waits for more. */
export function deskMessages(keys: KeyRegistry, written: readonly Written[]): LiveMessage[] {
  return written
    .filter(({ target }) => isDesk(target.family) && !PER_STOCK.has(target.family))
    .map((each) => ({
      topic: 'desk',
      of: keys.key(each.target.family, each.target.ids),
      data: deskMessage(keys, each),
    }));
}

function deskMessage(keys: KeyRegistry, { target, members: [text] }: Written): string {
  const value: unknown = text === undefined ? null : JSON.parse(text);
  return JSON.stringify({ key: keys.key(target.family, target.ids), value });
}

function isDesk(family: Target['family']): boolean {
  return 'desk' in FAMILIES[family];
}

/** One message a key of the equities desk: `{key, value}`, where null says that the key is gone. */
async function sayDesk(redis: ScriptedRedis, keys: KeyRegistry, metrics: Metrics, written: readonly Written[]) {
  const messages = written.map((each) => deskMessage(keys, each));
  try {
    await Promise.all(messages.map((message) => redis.publish(keys.deskChannel(), message)));
  } catch {
    // The keys are written; whoever watches gets the next value.
    metrics.swallowed.inc({ reason: 'announce' });
  }
}

async function say(redis: ScriptedRedis, keys: KeyRegistry, metrics: Metrics, messages: readonly LiveMessage[]) {
  try {
    await Promise.all(messages.map((message) => sayLive(redis, keys, message)));
  } catch {
    // The keys are written; whoever watches gets the next value.
    metrics.swallowed.inc({ reason: 'announce' });
  }
}
