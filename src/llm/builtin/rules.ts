/**
 * A strategy is a handful of rules; this turns them into a model that answers. The rules look at one symbol at a time and say
 * what they see; closing, ranking, sizing and wording are the same for all strategies.
 */

import type { Answer, Decision, FrameAsset, PositionView } from '../../domain/decision.ts';
import type { DecisionModel, DecisionRequest, ModelReply } from '../decision-model.ts';
import {
  type Levels,
  levelsOf,
  pct,
  type Room,
  roomOf,
  type Side,
  type Sized,
  type Sizing,
  type Stops,
  sizeEntry,
} from './plan.ts';

export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;

/** What the rules may look at: the request, and its symbols that have a price, in alphabetical order. */
export type Market = { readonly request: DecisionRequest; readonly assets: readonly FrameAsset[] };

/** What a strategy sees in one symbol. */
export type View = {
  readonly side: Side;
  /** Whether it is an entry now; otherwise only something to watch. */
  readonly ready: boolean;
  /** Order among symbols, highest first. */
  readonly score: number;
  /** 0 to 1; an entry states at least the arena's minimum, since a rule that fires is acted upon. */
  readonly confidence: number;
  readonly reason: string;
  readonly invalidation: string;
};

export type Rules = {
  readonly kind: string;
  readonly stops: Stops;
  /** Longest time a position is held; null for ever. */
  readonly maxHoldMs: number | null;
  sizing(market: Market): Sizing;
  /** Null: nothing can be said about the symbol, for instance because its history is too short. */
  view(asset: FrameAsset, market: Market): View | null;
  /** Why the position is to be closed now; null to keep it. */
  exit(position: PositionView, asset: FrameAsset, market: Market): string | null;
};

const MAX_DECISIONS = 50;

/** The model that follows the rules. It is a pure function of the request: no tokens, no cost, no memory. */
export function ruleModel(rules: Rules): DecisionModel {
  return {
    kind: rules.kind,
    deterministic: true,
    bound: () => ({ tokens: 0, usd: 0 }),
    decide(request: DecisionRequest): Promise<ModelReply> {
      const answer = decide(rules, request);
      return Promise.resolve({
        answer,
        raw: JSON.stringify(answer),
        promptTokens: 0,
        completionTokens: 0,
        costUsd: 0,
      });
    },
  };
}

function decide(rules: Rules, request: DecisionRequest): Answer {
  const market: Market = { request, assets: pricedAssets(request) };
  const closes = closeDecisions(rules, market);
  const { entries, watched } = entryDecisions(rules, market);
  const acts = [...closes, ...entries].slice(0, MAX_DECISIONS);
  const decisions = acts.length > 0 ? acts : holdDecision(market, watched);
  return { reasoning: summary(rules, market, closes.length, entries.length), decisions };
}

function pricedAssets(request: DecisionRequest): FrameAsset[] {
  return Object.values(request.frame.assets)
    .filter((asset) => Number.isFinite(asset.price) && asset.price > 0)
    .sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
}

function closeDecisions(rules: Rules, market: Market): Decision[] {
  const { positions } = market.request.context;
  return positions.flatMap((position): Decision[] => {
    const asset = market.assets.find(({ symbol }) => symbol === position.symbol);
    if (asset === undefined || position.quantity === 0) return [];
    const reason = heldTooLong(rules, market, position) ?? rules.exit(position, asset, market);
    if (reason === null) return [];
    const action = sideOf(position) === 'long' ? 'close_long' : 'close_short';
    return [{ symbol: position.symbol, action, confidence: 1, reasoning: reason }];
  });
}

function heldTooLong(rules: Rules, market: Market, position: PositionView): string | null {
  const heldMs = market.request.context.slotMs - position.entryTsMs;
  if (rules.maxHoldMs === null || heldMs < rules.maxHoldMs) return null;
  return `held for ${hours(heldMs)}, the longest this strategy waits is ${hours(rules.maxHoldMs)}`;
}

type Watched = { readonly symbol: string; readonly reason: string };

function entryDecisions(rules: Rules, market: Market): { entries: Decision[]; watched: Watched[] } {
  const { context } = market.request;
  const taken = new Set(context.positions.map(({ symbol }) => symbol));
  const views = market.assets
    .filter(({ symbol }) => !taken.has(symbol))
    .flatMap((asset) => {
      const view = rules.view(asset, market);
      return view === null ? [] : [{ asset, view }];
    })
    .sort((a, b) => Number(b.view.ready) - Number(a.view.ready) || b.view.score - a.view.score);
  const entries: Decision[] = [];
  const watched: Watched[] = [];
  let room: Room = roomOf(context);
  for (const { asset, view } of views) {
    const sized = view.ready ? sizeEntry(room, context, asset, rules.sizing(market)) : null;
    if (sized === null) watched.push({ symbol: asset.symbol, reason: view.reason });
    else if ('refused' in sized) watched.push({ symbol: asset.symbol, reason: `${view.reason}; but ${sized.refused}` });
    else {
      room = sized.room;
      entries.push(entry(asset, view, sized, levelsOf(asset, view.side, rules.stops), context.limits.minConfidence));
    }
  }
  return { entries, watched };
}

function entry(asset: FrameAsset, view: View, sized: Sized, levels: Levels, minConfidence: number): Decision {
  return {
    symbol: asset.symbol,
    action: view.side === 'long' ? 'open_long' : 'open_short',
    position_size_usd: sized.notionalUsd,
    leverage: sized.leverage,
    entry_price: asset.price,
    stop_loss: levels.stop,
    take_profit: levels.target,
    confidence: Math.min(1, Math.max(minConfidence, view.confidence)),
    risk_usd: Math.round(sized.notionalUsd * levels.stopFraction * 100) / 100,
    reasoning: view.reason,
    invalidation_condition: view.invalidation,
  };
}

/** The most interesting symbol with the reason for waiting; else a position that is kept; else nothing. */
function holdDecision(market: Market, watched: readonly Watched[]): Decision[] {
  const [best] = watched;
  if (best !== undefined) return [hold(best.symbol, best.reason)];
  const [position] = market.request.context.positions;
  if (position === undefined)
    return market.assets.slice(0, 1).map(({ symbol }) => hold(symbol, 'not enough history yet'));
  const move = (position.markPrice / position.entryPrice - 1) * (position.quantity < 0 ? -1 : 1);
  return [hold(position.symbol, `keeping the ${sideOf(position)} position, ${pct(move)} since entry`)];
}

function hold(symbol: string, reasoning: string): Decision {
  return { symbol, action: 'hold', confidence: 1, reasoning };
}

function summary(rules: Rules, market: Market, closing: number, opening: number): string {
  const { positions, account } = market.request.context;
  const state = `${positions.length} open of ${market.request.context.limits.maxPositions}`;
  const equity = `equity $${account.equityUsd.toFixed(2)}`;
  return `${rules.kind}: ${market.assets.length} symbols, ${state}, ${equity}; closing ${closing}, opening ${opening}.`;
}

/** The side of a position by the sign of its quantity. */
export function sideOf(position: PositionView): Side {
  return position.quantity < 0 ? 'short' : 'long';
}

function hours(ms: number): string {
  return `${(ms / HOUR_MS).toFixed(1)} h`;
}
