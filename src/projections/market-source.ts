/** Published contexts and terms of the market, for those who ask for all of them at once. */

import type { MarketContext } from '../domain/market-context.ts';
import type { Members, Target } from './projection.ts';
import type { Publisher } from './publisher.ts';

/** Contexts of the run's market; see `ContextSource` of the engine. */
export function contextSource(publisher: Publisher) {
  const targets = (symbols: readonly string[]) =>
    symbols.map((symbol): Target => ({ family: 'marketCtx', ids: [publisher.context.provider, symbol] }));
  const parsed = (values: readonly (Members | undefined)[]) =>
    values.map((members) => (members?.[0] === undefined ? undefined : (JSON.parse(members[0]) as MarketContext)));
  return {
    symbols: async () => (await publisher.allTargets(['marketCtx'])).map(({ ids }) => ids[1] ?? ''),
    cached: async (symbols: readonly string[]) => parsed(await publisher.cached(targets(symbols))),
    stored: async (symbols: readonly string[]) => parsed(await publisher.fill(targets(symbols))),
  };
}

/** Terms of an instrument as its key holds them. */
export type MarketTerms = {
  readonly symbol: string;
  readonly size_decimals: number;
  readonly max_leverage: number;
  readonly is_active: boolean;
};

/** Terms of these symbols: one command to Redis for all of them, rows only for what it lacks. Unknown symbols are left out. */
export async function readTerms(publisher: Publisher, symbols: readonly string[]): Promise<Map<string, MarketTerms>> {
  const { provider } = publisher.context;
  const values = await publisher.readMany(
    symbols.map((symbol) => ({ family: 'marketAsset', ids: [provider, symbol] }) as const),
  );
  const terms = values.flatMap(([text]) => (text === undefined ? [] : [JSON.parse(text) as MarketTerms]));
  return new Map(terms.map((own) => [own.symbol, own]));
}
