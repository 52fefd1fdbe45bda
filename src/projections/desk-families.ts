/** The key families of the equities desk. One trader a desk: its keys name stocks, never a model. */

import { latestSession, marketStatus } from '../domain/desk/calendar.ts';
import { type ExitReason, isoTime, SIGNAL_TYPES } from '../domain/desk/published.ts';
import { NEWS_SPAN_MS, sentimentLabel } from '../domain/desk/sentiment.ts';
import { stockIndicators } from '../domain/desk/stock-indicators.ts';
import { unrealizedPnl } from '../domain/ledger.ts';
import type { Family } from '../domain/published-keys.ts';
import { latestContext, performances } from '../store/desk/days.ts';
import { latestLooks } from '../store/desk/looks.ts';
import { latestSentiment, newsBetween } from '../store/desk/news.ts';
import { SessionPrices } from '../store/desk/session-prices.ts';
import { candidatesOf, latestScan, newestSignals } from '../store/desk/signals.ts';
import { lastBars } from '../store/desk/stocks.ts';
import { ingestCursor } from '../store/market.ts';
import { modelIds } from '../store/models.ts';
import { type MarkedPosition, openPositions } from '../store/positions.ts';
import { latestPrices } from '../store/prices.ts';
import { traderStates } from '../store/trader-state.ts';
import type { LoadContext, Members, Projection } from './projection.ts';

/** Bars that the slowest indicator needs to be settled. */
const INDICATOR_BARS = 120;
const NEWS_SHOWN = 5;

/** Market time, as far as the market has told. */
export async function deskNowMs({ db, provider }: LoadContext): Promise<number> {
  return (await ingestCursor(db, provider))?.watermarkMs ?? 0;
}

const first = (ids: readonly (readonly string[])[]): string[] => ids.map(([id]) => id ?? '');

/** A family with one string a stock: of every stock in one query. */
function perStock<Row extends { readonly symbol: string }>(
  family: Family,
  symbolsOf: (context: LoadContext) => Promise<readonly string[]>,
  rowsOf: (context: LoadContext, symbols: readonly string[]) => Promise<readonly Row[]>,
  shown: (row: Row) => object | null,
): Projection {
  return {
    family,
    all: async (context) => (await symbolsOf(context)).map((symbol) => [symbol]),
    async load(context, ids) {
      const symbols = first(ids);
      const rows = new Map((await rowsOf(context, symbols)).map((row) => [row.symbol, row]));
      return symbols.map((symbol) => {
        const row = rows.get(symbol);
        return members(row === undefined ? null : shown(row));
      });
    },
  };
}

/** A family with one key. */
function single(family: Family, shown: (context: LoadContext) => Promise<object | null>): Projection {
  return { family, all: async () => [[]], load: async (context) => [members(await shown(context))] };
}

const members = (value: object | null): Members => (value === null ? [] : [JSON.stringify(value)]);
const priced = async ({ db, provider }: LoadContext) => (await latestPrices(db, provider)).map(({ symbol }) => symbol);
const deskPositions = async ({ db, provider }: LoadContext) => openPositions(db, provider, await modelIds(db));
const held = async (context: LoadContext) => (await deskPositions(context)).map(({ symbol }) => symbol);

/** What this process remembers of the session, of each run that it looks at. */
const remembered = new WeakMap<object, SessionPrices>();

function sessionPricesOf({ db }: LoadContext): SessionPrices {
  const known = remembered.get(db) ?? new SessionPrices();
  remembered.set(db, known);
  return known;
}

const stockPrice = perStock(
  'stockPrice',
  priced,
  async (context, symbols) =>
    sessionPricesOf(context).read(context.db, context.provider, symbols, latestSession(await deskNowMs(context))),
  ({ last, open, high, low, volume, tsMs }) => ({ price: { last, open, high, low, volume }, timestamp: isoTime(tsMs) }),
);

const stockIndicator = perStock(
  'stockIndicators',
  priced,
  async (context, symbols) => {
    const bars = await lastBars(context.db, context.provider, symbols, await deskNowMs(context), INDICATOR_BARS);
    return [...bars].map(([symbol, own]) => ({ symbol, bars: own }));
  },
  ({ bars }) => stockIndicators(bars),
);

const stockSentiment: Projection = {
  family: 'stockSentiment',
  all: async ({ db }) => (await latestSentiment(db)).map(({ symbol }) => [symbol]),
  async load({ db }, ids) {
    const symbols = first(ids);
    const rows = new Map((await latestSentiment(db)).map((row) => [row.symbol, row]));
    const times = [...rows.values()].map(({ tsMs }) => tsMs);
    const range = { sinceMs: Math.min(...times) - NEWS_SPAN_MS, untilMs: Math.max(...times) };
    const news = times.length === 0 ? [] : await newsBetween(db, range, symbols);
    return symbols.map((symbol) => {
      const row = rows.get(symbol);
      if (row === undefined) return [];
      const { score, newsCount, tsMs } = row;
      const known = news.filter(
        (item) => item.symbol === symbol && item.tsMs <= tsMs && item.tsMs > tsMs - NEWS_SPAN_MS,
      );
      return members({
        sentiment_score: score,
        sentiment_label: sentimentLabel(score),
        news_count: newsCount,
        latest_news: known
          .slice(0, NEWS_SHOWN)
          .map(({ headline, source, tsMs: at, url }) => ({ headline, source, timestamp: isoTime(at), url })),
        timestamp: isoTime(tsMs),
      });
    });
  },
};

const watchlist = single('watchlist', async ({ db }) => (await latestScan(db))?.symbols ?? []);

const candidates = single('candidates', async ({ db }) => {
  const scan = await latestScan(db);
  if (scan === null) return [];
  const rows = await candidatesOf(db, scan.tsMs);
  return rows.map(({ symbol, score, price, signals }) => ({
    ...{ symbol, score, price, signals },
    timestamp: isoTime(scan.tsMs),
  }));
});

const stockPosition = perStock(
  'stockPosition',
  held,
  async (context) => {
    const nowMs = await deskNowMs(context);
    return (await deskPositions(context)).map((position) => ({ ...position, nowMs }));
  },
  activePosition,
);

function activePosition(position: MarkedPosition & { readonly nowMs: number }): object {
  const { symbol, side, quantity, entryPrice, markPrice } = position;
  const pnl = unrealizedPnl(quantity, entryPrice, markPrice);
  const cost = Math.abs(quantity) * entryPrice;
  return {
    symbol,
    entry_price: entryPrice,
    current_price: markPrice,
    quantity: Math.abs(quantity),
    side,
    entry_time: isoTime(position.entryTsMs),
    unrealized_pnl: cents(pnl),
    unrealized_pnl_pct: cost > 0 ? cents((100 * pnl) / cost) : 0,
    stop_loss: position.stopLoss,
    take_profit: position.takeProfit,
    last_update: isoTime(Math.max(position.nowMs, position.entryTsMs)),
  };
}

const stockMonitoring = perStock(
  'stockMonitoring',
  async ({ db }) => (await looks(db)).map(({ symbol }) => symbol),
  ({ db }) => looks(db),
  ({ monitoring }) => monitoring,
);

async function looks(db: LoadContext['db']) {
  return (await Promise.all((await modelIds(db)).map((id) => latestLooks(db, id)))).flat();
}

const stockSignal: Projection = {
  family: 'stockSignal',
  all: async (context) => (await sessionSignals(context)).map(({ type, symbol }) => [type, symbol]),
  async load(context, ids) {
    const rows = await sessionSignals(context);
    return ids.map(([type, symbol]) => {
      const row = rows.find((each) => each.type === type && each.symbol === symbol);
      if (row === undefined || !SIGNAL_TYPES.includes(row.type)) return [];
      const { reason, price, tsMs, indicators, confidence } = row;
      return members({ reason: reason as ExitReason, price, timestamp: isoTime(tsMs), indicators, confidence });
    });
  },
};

/** Signals of the session: what was seen yesterday is no signal any more. */
async function sessionSignals(context: LoadContext) {
  return newestSignals(context.db, latestSession(await deskNowMs(context)).openMs);
}

const systemState = single('systemState', async (context) => {
  const { db } = context;
  const [nowMs, positions, scan, ids] = await Promise.all([
    deskNowMs(context),
    deskPositions(context),
    latestScan(db),
    modelIds(db),
  ]);
  const [trader] = await traderStates(db, ids);
  return {
    state: trader?.state ?? 'running',
    market_status: marketStatus(nowMs),
    active_positions_count: positions.length,
    watchlist_count: scan?.symbols.length ?? 0,
    last_scan_time: scan === null ? null : isoTime(scan.tsMs),
    timestamp: isoTime(nowMs),
  };
});

const performance = single('performance', async ({ db }) => (await performances(db, 1))[0]?.payload ?? null);
const marketContext = single('marketContext', ({ db }) => latestContext(db));

const cents = (value: number): number => Math.round(value * 100) / 100 + 0;

export const DESK_PROJECTIONS: readonly Projection[] = [
  stockPrice,
  stockIndicator,
  stockSentiment,
  watchlist,
  candidates,
  stockPosition,
  stockMonitoring,
  stockSignal,
  systemState,
  performance,
  marketContext,
];
