/** A trader on the real exchange, or what looks like it: a cycle with its orders, the ledger behind them, and people who step in. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Stories } from '../../src/engine/context.ts';
import { closePosition, type Desk, flattenModels } from '../../src/engine/control-positions.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { guardPositions } from '../../src/engine/guard-positions.ts';
import { syncFills } from '../../src/engine/ingest-fills.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { FrameBuilder } from '../../src/engine/market-frame.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { HyperliquidExchange } from '../../src/exchange/hyperliquid/hyperliquid-exchange.ts';
import { openingId } from '../../src/exchange/hyperliquid/ledger.ts';
import { HyperliquidMarket } from '../../src/market/hyperliquid/hyperliquid-market.ts';
import { entryTimeMs } from '../../src/store/ledger.ts';
import { ingestCursor } from '../../src/store/market.ts';
import { arenaConfig, never } from '../engine/arena.ts';
import { withExchange } from '../engine/stand-ins.ts';
import { createRun, type TestRun } from '../harness.ts';
import { controlOf } from '../platform/control-support.ts';
import { AccountDesk } from './account-desk.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';
import { MINUTE, Venue } from './venue.ts';

const MODEL = 'alpha';
const KEY = `0x${'7'.repeat(64)}`;
const USER = `0x${'a'.repeat(40)}`;
const SYMBOLS = ['BTC', 'ETH'];
const WAIT_MS = 5000;

let run: TestRun;
let standIn: StandIn;
let venue: Venue;
let account: AccountDesk;
let stories: Stories;

beforeEach(async () => {
  standIn = await startStandIn();
  venue = new Venue({ startMs: Date.now() - 5 * MINUTE, speed: 1, symbols: SYMBOLS, user: USER });
  venue.serve(standIn, [], () => undefined);
  account = new AccountDesk(venue);
  account.serve(standIn);
  // The venue's clock began five minutes ago; ours and the exchange's are the wall's.
  Object.assign(venue, { now: () => Date.now() });
  const env = {
    ...{ TRADING_MODE: 'live', KEY_ALPHA: KEY },
    ...{ HYPERLIQUID_API_URL: standIn.addresses.apiUrl, HYPERLIQUID_WS_URL: standIn.addresses.wsUrl },
  };
  const models = [{ id: MODEL, strategy: 'buy-and-hold', live: { address: USER, keyEnv: 'KEY_ALPHA' } }];
  const guardrails = { minVolume24hUsd: 0, minOpenInterestUsd: 0, cooldown: '0s' };
  const config = arenaConfig({ models, hyperliquid: { symbols: SYMBOLS }, history: '30m', guardrails }, env);
  run = await createRun({ config, kind: 'hyperliquid', settings: { network: 'testnet', trading: 'live' } });
  const opened = await run.stories();
  const { client } = openClient(standIn, 300);
  const exchange = await HyperliquidExchange.open(client, {
    accounts: [{ account: MODEL, address: USER, key: KEY, isVault: false, initialUsd: 10_000 }],
    ledgerBeganMs: (name) => entryTimeMs(run.resources.db, openingId(name)),
  });
  stories = {
    ...opened.stories,
    market: new HyperliquidMarket(client, { symbols: SYMBOLS, historyMs: 30 * MINUTE, settleMs: 0 }),
    exchange,
    clock: { repeats: false, now: (asOfMs) => Math.max(asOfMs, Date.now()) },
  };
  await registerArena(stories, run.resources.run, Date.now());
  await takeSnapshot(stories, MODEL, Date.now());
}, 60_000);
afterEach(async () => {
  await run?.close();
  await standIn?.close();
});

const actions = () => standIn.posted.map((text) => JSON.parse(text).action as { type: string; grouping?: string });
const desk = (): Desk => ({ control: controlOf(run.resources), stories, signal: never });
const rows = <T extends object>(sql: string) => run.resources.db.query<T>(sql);

async function cycle(): Promise<void> {
  await ingestPrices(stories, Date.now(), never);
  // As far as the market is known.
  const slotMs = (await ingestCursor(run.resources.db, 'hyperliquid'))?.watermarkMs ?? 0;
  const outcome = await runDecisionCycle(stories, new FrameBuilder(stories), MODEL, slotMs, never);
  expect(outcome.kind).toBe('done');
}

describe('a live trader', () => {
  it('enters with leverage, stop and target in one action, and its ledger says what the exchange filled', async () => {
    await cycle();
    const [cycleRow] = await rows<{ success: boolean; error_message: string | null }>(
      'SELECT success, error_message FROM decision_cycles',
    );
    expect(cycleRow).toEqual({ success: true, error_message: null });
    expect(actions().map(({ type, grouping }) => [type, grouping])).toEqual(
      SYMBOLS.flatMap(() => [
        ['updateLeverage', undefined],
        ['order', 'normalTpsl'],
      ]),
    );
    expect(account.standing.size).toBe(2 * SYMBOLS.length);
    const fills = await rows<{ symbol: string; size: number }>(
      `SELECT symbol, size FROM fills WHERE kind = 'trade' ORDER BY symbol`,
    );
    expect(fills).toEqual(SYMBOLS.map((symbol) => ({ symbol, size: account.quantity(symbol) })));
    const open = await rows(
      `SELECT symbol FROM positions WHERE status = 'open' AND sl_oid IS NOT NULL AND tp_oid IS NOT NULL`,
    );
    expect(open).toHaveLength(SYMBOLS.length);
    expect(JSON.stringify(await rows('SELECT * FROM decision_cycles'))).not.toContain(KEY.slice(2, 20));
  });

  it('that is stopped out at the exchange learns it from the fills, by the number of its stop', async () => {
    await cycle();
    account.touchStop('ETH');
    await syncFills(stories, MODEL, Date.now(), { snapshot: true });
    expect(await rows('SELECT symbol, exit_reason FROM trades')).toEqual([{ symbol: 'ETH', exit_reason: 'stop_loss' }]);
    expect(await rows(`SELECT symbol FROM positions WHERE status = 'open'`)).toEqual([{ symbol: 'BTC' }]);
  });

  it('keeps the numbers of its stops to itself when its position is gone before the cycle ends, and another one stands there', async () => {
    const { exchange } = stories;
    stories = withExchange(stories, {
      async send(...request) {
        const results = await exchange.send(...request);
        account.touchStop('BTC');
        account.byHand('BTC', 1);
        return results;
      },
    });
    await cycle();
    const open = await rows(
      `SELECT symbol, quantity > 1 AS own, sl_oid IS NULL AS bare FROM positions WHERE status = 'open' ORDER BY symbol`,
    );
    expect(open).toEqual([
      { symbol: 'BTC', own: false, bare: true },
      { symbol: 'ETH', own: true, bare: false },
    ]);
  });

  it('gets a stop back that somebody took away, once, and remembers its number', async () => {
    await cycle();
    account.loseStop('BTC');
    const lost = account.standing.size;
    expect(await guardPositions(stories, Date.now(), never)).toMatchObject({ note: { repaired: 1, reported: 0 } });
    expect(await guardPositions(stories, Date.now(), never)).toMatchObject({ note: { repaired: 0 } });
    expect(account.standing.size).toBe(lost + 1);
    const [stop] = [...account.standing.values()].slice(-1);
    const remembered = await rows(`SELECT sl_oid AS oid FROM positions WHERE symbol = 'BTC' AND status = 'open'`);
    expect(remembered).toEqual([{ oid: stop?.oid }]);
  });

  it('is closed in one symbol by hand, with the stop of it, and keeps the others', async () => {
    await cycle();
    standIn.posted.length = 0;
    expect(await closePosition(desk(), MODEL, 'BTC', WAIT_MS)).toMatchObject({
      flat: true,
      closed: [{ symbol: 'BTC' }],
    });
    expect(account.quantity('BTC')).toBe(0);
    expect(account.quantity('ETH')).toBeGreaterThan(0);
    expect(account.standing.size).toBe(2);
    expect(actions()).toMatchObject([{ type: 'order', orders: [{ r: true, t: { limit: { tif: 'Ioc' } } }] }]);
    expect(await rows('SELECT symbol, exit_reason FROM trades')).toEqual([{ symbol: 'BTC', exit_reason: 'manual' }]);
  });

  it('is flattened in rounds where the book is thin, and stands without a stop at no moment', async () => {
    await cycle();
    account.depth = 0.5;
    const [flattened] = await flattenModels(desk(), [MODEL], WAIT_MS);
    expect(flattened?.error).toBeNull();
    expect(flattened?.closing?.closed.length).toBeGreaterThan(4);
    for (const { order } of account.standing.values()) expect(order.r).toBe(true);
    account.depth = 1;
    const [again] = await flattenModels(desk(), [MODEL], WAIT_MS);
    expect(again?.closing).toMatchObject({ flat: true, left: { positions: [], orders: [] } });
    expect([...account.positions.values()]).toEqual(SYMBOLS.map(() => 0));
    expect(await rows(`SELECT 1 FROM positions WHERE status = 'open'`)).toEqual([]);
    const [sum] = await rows<{ n: number }>(`SELECT count(*) AS n FROM fills WHERE kind = 'trade'`);
    expect(sum?.n).toBe(account.fills.length);
  });

  it('is flattened once, whatever of the answers is lost', async () => {
    await cycle();
    const before = account.fills.length;
    account.deafAnswers = 1;
    const [flattened] = await flattenModels(desk(), [MODEL], WAIT_MS);
    expect(flattened?.closing).toMatchObject({ flat: true });
    expect(account.fills.length - before).toBe(SYMBOLS.length);
    expect(new Set(standIn.posted).size).toBe(standIn.posted.length - 1);
  });

  it('has an order of somebody else canceled when it is flattened: it could open something', async () => {
    await cycle();
    const limit = { cloid: `0x${'b'.repeat(32)}`, symbol: 'BTC', side: 'buy', size: 1, kind: 'limit' } as const;
    const rest = { limitPrice: 50, triggerPrice: null, reduceOnly: false, leverage: 1 };
    const prepared = stories.exchange.prepare(MODEL, [{ ...limit, ...rest }], Date.now(), Date.now() + 10_000);
    expect(await stories.exchange.send(prepared, Date.now(), never)).toMatchObject([{ status: 'resting' }]);
    const [flattened] = await flattenModels(desk(), [MODEL], WAIT_MS);
    expect(flattened?.closing).toMatchObject({ flat: true, canceled: 1 });
    expect(account.standing.size).toBe(0);
  });
});
