/** The one door into the ledger: fills of an exchange → fills, positions, trades, account, and what must follow from them. */

import type { Fill } from '../domain/fill.ts';
import { readClientOrderId } from '../domain/ids.ts';
import { refresh } from '../domain/published-keys.ts';
import { CodedError } from '../errors.ts';
import { enqueueEffect } from '../jobs/registry.ts';
import type { Queryable } from '../store/database.ts';
import { ordersOfSlots } from '../store/decisions.ts';
import type { EffectRow, NewEffect } from '../store/effects.ts';
import * as ledger from '../store/ledger.ts';
import { type TradeWrite, writeLedger } from '../store/ledger-write.ts';
import { crossing } from '../telemetry/boundaries.ts';
import { committed, done, type Outcome, type Stories, skipped } from './context.ts';
import { combined, type SymbolChange, symbolChange } from './ledger-change.ts';

/** Whether executions ask for a snapshot of the model; a snapshot that syncs them itself does not. */
export type FollowUp = { readonly snapshot: boolean };

/** What an ingest came to. Symbols are named where people should look. */
export type Ingested = {
  /** How many entries were new. */
  readonly count: number;
  /** Symbols whose history begins in the middle of a position, which was adopted. */
  readonly adopted: readonly string[];
  /** Symbols where the exchange knows of entries that have not come yet. */
  readonly gaps: readonly string[];
};

const NOTHING: Ingested = { count: 0, adopted: [], gaps: [] };

/** Fetches what the exchange has beyond the ledger and ingests it. Returns how many fills were new. */
export async function syncFills(stories: Stories, modelId: string, asOfMs: number, follow: FollowUp): Promise<number> {
  return (await sync(stories, modelId, asOfMs, follow)).count;
}

/** Fills that somebody pushed, or (none) what the exchange has beyond the ledger. Run again it finds them there. */
export async function ingestTrades(
  stories: Stories,
  modelId: string,
  provider: string,
  pushed: readonly Omit<Fill, 'modelId' | 'provider'>[],
  asOfMs: number,
): Promise<Outcome> {
  const nowMs = stories.clock.now(asOfMs);
  const fills = pushed.map((fill) => ({ ...fill, modelId, provider }));
  const { count, adopted, gaps } =
    fills.length === 0
      ? await sync(stories, modelId, nowMs, { snapshot: true })
      : await ingestFills(stories, modelId, fills, nowMs, { snapshot: true });
  if (count === 0) return skipped('the ledger has these fills');
  return done({ newFills: count, ...(adopted.length > 0 ? { adopted } : {}), ...(gaps.length > 0 ? { gaps } : {}) });
}

async function sync(stories: Stories, modelId: string, asOfMs: number, follow: FollowUp): Promise<Ingested> {
  const head = (await ledger.ledgerHeads(stories.db, [modelId])).get(modelId) ?? 0;
  return (await syncFillsBehind(stories, modelId, head, asOfMs, follow)).ingested;
}

/** The same where it is known how far the ledger goes. `told`: fills behind it, also those that somebody else has ingested meanwhile. */
export async function syncFillsBehind(
  stories: Stories,
  modelId: string,
  head: number,
  asOfMs: number,
  follow: FollowUp,
): Promise<{ readonly told: number; readonly ingested: Ingested }> {
  const fills = await crossing('call exchange.fillsSince', () => stories.exchange.fillsSince(modelId, head));
  if (fills.length === 0) return { told: 0, ingested: NOTHING };
  const syncedSeq = Math.max(head, ...fills.map((fill) => fill.seq));
  const own = fills.map((fill) => ({ ...fill, modelId }));
  return { told: fills.length, ingested: await ingestFills(stories, modelId, own, asOfMs, follow, syncedSeq) };
}

/**
 * Ingests fills of one model, in whatever order and however often they come: insert or ignore, fold again from the last flat point
 * before the earliest new one, write the difference, all under the account's row lock and in one transaction with its effects.
 *
 * @param syncedSeq up to which these are everything that the exchange has told; 0 where nobody can say (fills that were pushed)
 * @throws CodedError NOF0_MODEL_UNKNOWN, NOF0_INPUT_INVALID for fills of an exchange where the model does not trade,
 *   NOF0_LEDGER_INCONSISTENT for fills that cannot be
 */
export async function ingestFills(
  stories: Stories,
  modelId: string,
  fills: readonly Fill[],
  asOfMs: number,
  follow: FollowUp,
  syncedSeq = 0,
): Promise<Ingested> {
  const { result, effects, contradicted, changes } = await committed(stories, 'ingest-fills', () =>
    stories.db.transaction((tx, last) => commit(stories, tx, last, modelId, fills, asOfMs, follow, syncedSeq)),
  );
  report(stories, modelId, contradicted, changes);
  for (const { payload, kind } of effects)
    if (kind === 'stream') stories.logger.info({ model: modelId, ...payload }, 'trade');
  await stories.drain(effects);
  return result;
}

type Committed = {
  readonly result: Ingested;
  readonly effects: readonly EffectRow[];
  readonly contradicted: readonly string[];
  readonly changes: readonly SymbolChange[];
};

async function commit(
  stories: Stories,
  tx: Queryable,
  last: Queryable,
  modelId: string,
  fills: readonly Fill[],
  asOfMs: number,
  follow: FollowUp,
  syncedSeq: number,
): Promise<Committed> {
  const tailsOf = (some: readonly Fill[]) => {
    const asked = earliestOf(some);
    return asked.length === 0 ? [] : ledger.ledgerTails(tx, modelId, stories.market.provider, asked);
  };
  // An exchange that numbers its entries tells new ones: what they may change is read in the same journey.
  const numbered = syncedSeq > 0 && stories.exchange.tellsHead;
  const [account, ahead] = await Promise.all([ledger.addFills(tx, modelId, fills), numbered ? tailsOf(fills) : null]);
  if (account === null) throw new CodedError('NOF0_MODEL_UNKNOWN', `no account for model "${modelId}"`);
  const { added, contradicted, provider, version } = account;
  const stranger = fills.find((fill) => fill.provider !== provider);
  if (stranger !== undefined)
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `fill ${stranger.id} is of exchange "${stranger.provider}", but "${modelId}" trades at "${provider}"`,
    );
  if (added.length === 0) {
    if (syncedSeq > 0) await ledger.moveHead(tx, modelId, syncedSeq);
    return { result: NOTHING, effects: [], contradicted, changes: [] };
  }
  const ids = new Set(added);
  const tails =
    ahead !== null && added.length === fills.length ? ahead : await tailsOf(fills.filter((fill) => ids.has(fill.id)));
  const orders = await ordersBehind(
    tx,
    modelId,
    tails.flatMap((tail) => tail.fills),
  );
  const changes = tails.map((tail) => symbolChange(tail, orders));
  const wanted = [
    ...effectsOf(modelId, version + 1, changes, asOfMs, follow),
    ...(stories.desk === null ? [] : deskKeys(changes)),
  ];
  const effects = await writeLedger(last, modelId, combined(changes), added, syncedSeq, wanted);
  const result = {
    count: added.length,
    adopted: changes.filter((change) => change.adopted !== null).map((change) => change.symbol),
    gaps: changes.filter((change) => change.gapFillId !== null).map((change) => change.symbol),
  };
  return { result, effects, contradicted, changes };
}

/** Symbols that were executed, with the time of their earliest execution. Funding and transfers move no position. */
function earliestOf(fills: readonly Fill[]): { symbol: string; earliestMs: number }[] {
  const earliest = new Map<string, number>();
  for (const { kind, symbol, tsMs } of fills)
    if (kind === 'trade' || kind === 'opening') earliest.set(symbol, Math.min(earliest.get(symbol) ?? tsMs, tsMs));
  return [...earliest].map(([symbol, earliestMs]) => ({ symbol, earliestMs }));
}

/** The orders of the decisions that the fills belong to, found by their client order ids. */
function ordersBehind(tx: Queryable, modelId: string, fills: readonly Fill[]) {
  const slots = new Set(
    fills.flatMap((fill) => (fill.cloid === null ? [] : (readClientOrderId(fill.cloid)?.slotMs ?? []))),
  );
  return ordersOfSlots(tx, modelId, [...slots]);
}

/** What people should know about a ledger that cannot be complete or right. Counted and logged; nothing is refused for it. */
function report(
  stories: Stories,
  modelId: string,
  contradicted: readonly string[],
  changes: readonly SymbolChange[],
): void {
  const { logger, metrics } = stories;
  if (contradicted.length > 0) {
    metrics.ledgerFaults.inc({ fault: 'contradicted' }, contradicted.length);
    logger.error(
      { model: modelId, fills: contradicted },
      'fills came again with another content; the first one stands',
    );
  }
  for (const { symbol, adopted, gapFillId } of changes) {
    if (adopted !== null) {
      metrics.ledgerFaults.inc({ fault: 'adopted' });
      const { side, size, price } = adopted;
      logger.warn(
        { model: modelId, symbol, side, size, price },
        'the history begins in the middle of a position; adopted it',
      );
    }
    if (gapFillId !== null) {
      metrics.ledgerFaults.inc({ fault: 'gap' });
      logger.warn({ model: modelId, symbol, fill: gapFillId }, 'a fill before this one is missing');
    }
  }
}

function effectsOf(
  modelId: string,
  version: number,
  changes: readonly SymbolChange[],
  asOfMs: number,
  follow: FollowUp,
): NewEffect[] {
  // Funding and transfers only move cash: the next periodic snapshot shows them.
  if (changes.length === 0) return [];
  const events = changes.flatMap((change) => [
    ...change.trades.map(written),
    ...change.voided.map(voided(modelId, change)),
  ]);
  const stream = events.map((payload, ordinal) => ({
    ...{ kind: 'stream' as const, target: modelId, version, ordinal, payload },
  }));
  const always = [
    refresh('positions', modelId),
    ...(follow.snapshot ? [enqueueEffect('snapshot', { modelId, asOfMs })] : []),
  ];
  if (events.length === 0) return always;
  return [
    ...stream,
    ...[refresh('tradesRecent', modelId), refresh('leaderboard'), refresh('leaderboardCache')],
    ...always,
    enqueueEffect('analytics', { modelId, asOfMs }),
  ];
}

/** Keys of the equities desk that name a stock. */
function deskKeys(changes: readonly SymbolChange[]): NewEffect[] {
  const own = changes.flatMap(({ symbol }) => [refresh('stockPosition', symbol), refresh('stockMonitoring', symbol)]);
  return own.length === 0 ? [] : [...own, refresh('systemState')];
}

function written(trade: TradeWrite) {
  return {
    event: trade.revision > 0 ? 'trade.revised' : 'trade',
    id: trade.id,
    revision: trade.revision,
    model_id: trade.modelId,
    symbol: trade.symbol,
    side: trade.side,
    quantity: trade.quantity,
    entry_price: trade.entryPrice,
    exit_price: trade.exitPrice,
    pnl: trade.realizedNetPnl,
    exit_reason: trade.exitReason,
    ts_ms: trade.exitTsMs,
  };
}

const voided =
  (modelId: string, { symbol }: SymbolChange) =>
  (trade: ledger.KnownTrade) => ({
    event: 'trade.voided',
    id: trade.id,
    revision: trade.revision + 1,
    model_id: modelId,
    symbol,
  });
