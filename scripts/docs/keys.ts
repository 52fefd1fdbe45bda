/** Redis keys. */

import { environmentFields } from '../../src/config/environment.ts';
import { KEY_FAMILIES } from '../../src/domain/published-keys.ts';
import { projectionsOf } from '../../src/projections/families.ts';
import { FAMILIES, type Family } from '../../src/redis/keys.ts';
import { code, table } from './table.ts';

/** The ids a family's pattern takes, and what its value holds. A family without an entry does not compile. */
const KEY_DOCS: Readonly<Record<Family, { readonly ids: readonly string[]; readonly value: string }>> = {
  priceLatest: { ids: ['symbol'], value: "`{symbol, price, timestamp}` (ms) of the run's own market" },
  priceLatestByProvider: { ids: ['provider', 'symbol'], value: '`{price, ts_ms}`' },
  cryptoPrices: { ids: [], value: 'field `{provider}:{symbol}` → `{symbol, price, timestamp}`' },
  marketAsset: {
    ids: ['provider', 'symbol'],
    value: 'precision, size decimals, highest leverage and state of an instrument',
  },
  marketCtx: {
    ids: ['provider', 'symbol'],
    value: 'price, funding, open interest, 1 h and 4 h change and indicators, as of the last full 10 s of market time',
  },
  marketFrame: { ids: ['slot_ms'], value: '`{digest, frame}`: what every model of the slot saw' },
  positions: { ids: ['model_id'], value: 'field symbol → open position, marked to market when it was written' },
  tradesRecent: { ids: ['model_id'], value: 'newest closed trades, newest first' },
  leaderboard: { ids: [], value: 'member model id, score return in percent' },
  leaderboardCache: { ids: [], value: '`{leaderboard: […]}`, ranked' },
  sinceInception: { ids: ['model_id'], value: 'equity curve `{timestamp, value}`, oldest first, about 500 points' },
  inception: { ids: ['model_id'], value: 'when a model began and with how much; invocations of an import' },
  accountTotals: { ids: ['model_id'], value: 'last snapshots of the newest 6 hours, oldest first' },
  analytics: { ids: ['model_id'], value: 'analytics of a model' },
  analyticsAll: { ids: [], value: '`{analytics: […]}` of all models' },
  conversations: { ids: ['model_id'], value: 'newest messages of a model' },
  decisionLast: { ids: ['model_id'], value: 'last finished cycle: number, slot, success, headline action, error' },
  traderState: { ids: ['model_id'], value: '`{state, last_decision_at, pause_until}`' },
  simOrders: { ids: ['model_id'], value: 'open orders at the paper exchange' },
  simBalances: { ids: ['model_id'], value: 'balances at the paper exchange' },
  seasons: {
    ids: [],
    value: '`{seasons: […]}`, newest first; the final ranking of a frozen one, the present one of the open one',
  },
  stockPrice: { ids: ['symbol'], value: 'last price, and open, extremes and volume of the session' },
  stockIndicators: { ids: ['symbol'], value: 'RSI, MACD and Bollinger bands on minute bars' },
  stockSentiment: { ids: ['symbol'], value: 'score, label and newest headlines' },
  watchlist: { ids: [], value: 'symbols, best first' },
  candidates: { ids: [], value: 'candidates with score and signals, best first' },
  stockPosition: { ids: ['symbol'], value: 'open position, marked to market' },
  stockMonitoring: { ids: ['symbol'], value: 'newest look at an open position' },
  stockSignal: { ids: ['entry or exit', 'symbol'], value: 'newest signal of the session' },
  systemState: { ids: [], value: 'state of the desk and of its market' },
  performance: { ids: [], value: 'what the newest session has brought' },
  marketContext: { ids: [], value: 'sectors, breadth, volatility, regime' },
};

const PRICE_FAMILIES: readonly Family[] = ['priceLatest', 'priceLatestByProvider', 'cryptoPrices'];

export function keyTable(): string {
  return table(
    ['family', 'key', 'type', 'lifetime', 'lock', 'written by', 'value'],
    KEY_FAMILIES.map((family) => {
      const { pattern, type, ttl, locked } = FAMILIES[family];
      const prefix = 'desk' in FAMILIES[family] ? '<desk prefix>' : '<prefix>:';
      const { ids, value } = KEY_DOCS[family];
      if (pattern.split('{}').length - 1 !== ids.length) throw new Error(`${family}: ids do not fit ${pattern}`);
      let next = 0;
      const key = `${prefix}${pattern.replace(/\{\}/g, () => `{${ids[next++]}}`)}`;
      const seconds =
        environmentFields[`NOF0_TTL_${ttl.toUpperCase()}` as keyof typeof environmentFields].parse(undefined);
      return [family, code(key), type, `${ttl}, ${seconds} s`, locked ? 'yes' : 'no', writer(family), value];
    }),
  );
}

function writer(family: Family): string {
  if (PRICE_FAMILIES.includes(family)) return 'price keys';
  return projectionsOf('equities').some((projection) => projection.family === family)
    ? 'projection'
    : 'nothing (name reserved)';
}
