/**
 * Whether any order broke a guardrail: worked out from the exchange's own book of orders, the stored frames and contexts and the arena
 * file, by rules that are written down here once more and share no code with those that let the orders pass.
 */

import type { Guardrails } from '../../src/config/arena.ts';

type Rows = <T extends object>(sql: string) => Promise<T[]>;

type Order = {
  account: string;
  cloid: string;
  symbol: string;
  side: 'buy' | 'sell';
  size: number;
  kind: 'stop' | 'target' | null;
  trigger: number | null;
  reduceOnly: boolean;
  leverage: number;
  status: string;
  tsMs: number;
};
type Position = { symbol: string; quantity: number };
type Decision = { symbol: string; action: string; confidence: number };
type Asset = {
  price: number;
  priceTsMs: number;
  maxLeverage: number;
  volume24h: number | null;
  openInterest: number | null;
};
type CycleRow = {
  model: string;
  slotMs: number;
  context: { account: { equityUsd: number; marginUsedUsd: number }; positions: Position[] } | null;
  decisions: Decision[] | null;
  assets: Record<string, Asset> | null;
};
type Closed = { model: string; symbol: string; exitMs: number };

export type Judgement = { readonly faults: string[]; readonly entries: number; readonly closes: number };

/** Rounding of sizes and prices to the exchange's grids never helps an order over a limit by more than this. */
const GRID = 1.0005;

export async function judgeOrders(rows: Rows, rules: Guardrails, lateAfterMs: number): Promise<Judgement> {
  const faults: string[] = [];
  const orders = await rows<Order>(
    `SELECT account, cloid, symbol, side, size::float8 AS size, tpsl AS kind, trigger_px AS trigger, reduce_only AS "reduceOnly",
            coalesce(leverage, 1)::float8 AS leverage, status, ts_ms::float8 AS "tsMs" FROM paper_orders ORDER BY account, oid`,
  );
  const cycles = await rows<CycleRow>(
    `SELECT d.model_id AS model, d.slot_ms::float8 AS "slotMs", d.context, d.decisions, f.payload->'assets' AS assets
     FROM decision_cycles d LEFT JOIN market_frames f ON f.slot_ms = d.frame_slot_ms`,
  );
  const closed = await rows<Closed>(
    `SELECT model_id AS model, symbol, exit_ts_ms::float8 AS "exitMs" FROM positions WHERE status = 'closed'`,
  );
  const byCycle = new Map<string, Order[]>();
  for (const order of orders) {
    // The slot stands in the first twelve digits of the id.
    const key = `${order.account} ${Number.parseInt(order.cloid.slice(2, 14), 16)}`;
    byCycle.set(key, [...(byCycle.get(key) ?? []), order]);
  }
  const known = new Map(cycles.map((cycle) => [`${cycle.model} ${cycle.slotMs}`, cycle]));
  let entries = 0;
  let closes = 0;
  for (const [key, own] of byCycle) {
    const cycle = known.get(key);
    // The sweep's orders are of a moment instead of a slot; they only ever reduce.
    if (cycle === undefined) {
      if (own.some((order) => !order.reduceOnly)) faults.push(`orders of ${key}, which is no cycle`);
    } else {
      const of = own.filter((order) => order.kind === null && !order.reduceOnly);
      entries += of.length;
      closes += own.filter((order) => order.kind === null && order.reduceOnly).length;
      faults.push(...judgeCycle(cycle, of, own, closed, rules, lateAfterMs).map((fault) => `${key}: ${fault}`));
    }
  }
  const naked = await rows<{ account: string; symbol: string }>(
    `SELECT account, symbol FROM paper_positions p WHERE size <> 0 AND NOT EXISTS (
       SELECT 1 FROM paper_orders o WHERE o.account = p.account AND o.symbol = p.symbol AND o.tpsl = 'stop' AND o.status = 'resting')`,
  );
  for (const { account, symbol } of naked) faults.push(`${account}: the position in ${symbol} has no stop`);
  if (new Set(orders.map(({ account, cloid }) => account + cloid)).size !== orders.length)
    faults.push('an order twice');
  return { faults, entries, closes };
}

function judgeCycle(
  { model, slotMs, context, decisions, assets }: CycleRow,
  entries: readonly Order[],
  all: readonly Order[],
  closed: readonly Closed[],
  rules: Guardrails,
  lateAfterMs: number,
): string[] {
  if (context === null || assets === null || decisions === null) return ['orders without context, frame or decisions'];
  const faults: string[] = [];
  const demand = (holds: boolean, what: string) => {
    if (!holds) faults.push(what);
  };
  const equity = context.account.equityUsd;
  const closing = new Set(all.filter((order) => order.kind === null && order.reduceOnly).map(({ symbol }) => symbol));
  const kept = context.positions.filter(({ symbol }) => !closing.has(symbol));
  demand(entries.length === 0 || kept.length + entries.length <= rules.maxPositions, 'too many positions');
  demand(new Set(entries.map(({ symbol }) => symbol)).size === entries.length, 'two entries in one symbol');
  let margin = 0;
  for (const entry of entries) {
    const { symbol, side, size, leverage, tsMs } = entry;
    const asset = assets[symbol];
    if (asset === undefined) {
      faults.push(`${symbol} is not in the frame`);
      continue;
    }
    const sign = side === 'buy' ? 1 : -1;
    const usd = size * asset.price;
    const isMajor = rules.majors.includes(symbol);
    const cap = rules.maxLeverageOf[symbol] ?? (isMajor ? rules.maxLeverage : rules.maxLeverageOthers);
    const upTo = isMajor ? rules.maxPositionToEquity : rules.maxPositionToEquityOthers;
    margin += usd / leverage;
    const wanted = decisions.find((decision) => decision.symbol === symbol && decision.action.startsWith('open_'));
    demand(wanted !== undefined, `${symbol}: nobody decided it`);
    demand(
      decisions.some((d) => d.symbol === symbol && d.action.startsWith('open_') && d.confidence >= rules.minConfidence),
      `${symbol}: confidence`,
    );
    demand(tsMs <= slotMs + lateAfterMs, `${symbol}: late by ${tsMs - slotMs} ms`);
    demand(slotMs - asset.priceTsMs <= rules.maxPriceAge, `${symbol}: stale price`);
    demand((asset.volume24h ?? 0) >= rules.minVolume24hUsd || asset.volume24h === null, `${symbol}: volume`);
    demand(!context.positions.some((held) => held.symbol === symbol), `${symbol}: held already`);
    demand(
      !closed.some(
        (c) => c.model === model && c.symbol === symbol && c.exitMs <= slotMs && c.exitMs > slotMs - rules.cooldown,
      ),
      `${symbol}: cooling down`,
    );
    demand(leverage >= 1 && leverage <= Math.min(cap, asset.maxLeverage), `${symbol}: leverage ${leverage}`);
    demand(usd <= Math.min(rules.maxPositionUsd, upTo * equity) * GRID, `${symbol}: ${usd} USD are too many`);
    demand(usd > 0, `${symbol}: no size`);
    faults.push(...judgeExits(entry, asset.price, sign, equity, all, rules));
  }
  const bound = context.account.marginUsedUsd + margin;
  demand(entries.length === 0 || closing.size > 0 || bound <= rules.maxMarginUsage * equity * GRID, `margin ${bound}`);
  return faults;
}

/** The stop and the target of an entry. */
function judgeExits(
  { symbol, size }: Order,
  price: number,
  sign: number,
  equity: number,
  all: readonly Order[],
  rules: Guardrails,
): string[] {
  const of = (kind: Order['kind']) =>
    all.find((order) => order.symbol === symbol && order.kind === kind && order.reduceOnly);
  const stop = of('stop');
  const target = of('target');
  if (stop?.trigger == null || target?.trigger == null) return [`${symbol}: no stop or no target`];
  const faults: string[] = [];
  const risk = sign * (price - stop.trigger);
  const reward = sign * (target.trigger - price);
  if (stop.status === 'rejected') faults.push(`${symbol}: the stop was rejected`);
  if (stop.size < size) faults.push(`${symbol}: the stop covers a part`);
  if (!(risk > 0 && risk * GRID >= rules.minStopDistance * price)) faults.push(`${symbol}: stop at ${stop.trigger}`);
  if (risk > rules.maxStopDistance * price * GRID) faults.push(`${symbol}: stop far at ${stop.trigger}`);
  if (!(reward > 0 && (reward / risk) * GRID >= rules.minRewardRisk)) faults.push(`${symbol}: reward ${reward / risk}`);
  if (size * risk > rules.maxRiskPerTrade * equity * GRID) faults.push(`${symbol}: risk of ${size * risk} USD`);
  return faults;
}
