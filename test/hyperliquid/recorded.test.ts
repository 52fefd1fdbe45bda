/** Every recorded body and frame of the exchange goes through the parsers, and what is used of it comes out unchanged. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { accountBody, openOrdersBody, toAccountState, toOpenOrders } from '../../src/exchange/hyperliquid/account.ts';
import {
  exchangeAnswer,
  lookedUp,
  orderStatusBody,
  resultOf,
  statusesOf,
} from '../../src/exchange/hyperliquid/answers.ts';
import { parseFunding } from '../../src/exchange/hyperliquid/ledger.ts';
import { orderErrorCode, requestError } from '../../src/exchange/hyperliquid/order-errors.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { parseBody } from '../../src/hyperliquid/wire.ts';
import * as bodies from '../../src/market/hyperliquid/bodies.ts';
import { readFrame } from '../../src/market/hyperliquid/frames.ts';
import { hasRecorded, RECORDED, recorded, recordedText } from './recorded.ts';
import { startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';

const USER = `0x${'1'.repeat(40)}`;
const OWNER = { account: 'alpha', address: USER };
const num = (text: string | null) => (text === null ? null : Number(text));
/** A body, checked: its own and what the schema makes of it. */
function checked<T>(schema: z.ZodType<T>, name: string) {
  const body = recorded(name);
  return { body, parsed: parseBody(schema, body, name, 'NOF0_MARKET_DATA') };
}

/** What is not read because nothing here needs it. The reasons are the test's: nobody asks for these. */
const UNUSED =
  /^(userFees|userRole|userRateLimit|extraAgents|spotClearinghouseState|historicalOrders|openOrders|ws\.(trades|candle|l2Book|allMids|orderUpdates|notification|userEvents|userFundings|unsubscribe|pong|errors|post))/;
/** Cut down by those who published them: fields that the exchange always sends are not in them. */
const CUT = new Set(['frontendOpenOrders.trigger-child.json']);

describe.skipIf(!hasRecorded)('recorded bodies of the market', () => {
  it.each(['meta.json', 'meta.2023-07.json', 'meta.testnet-full.json'])('%s: every instrument in its place', (name) => {
    const { body, parsed } = checked(bodies.metaBody, name);
    for (const [place, row] of body.universe.entries()) {
      const asset = bodies.readUniverseRow(parsed.universe[place]);
      expect(asset && bodies.toAsset(asset)).toMatchObject({
        symbol: row.name,
        sizeDecimals: row.szDecimals,
        isActive: row.isDelisted !== true,
        onlyIsolated: row.onlyIsolated === true,
        ...(row.maxLeverage === undefined ? {} : { maxLeverage: row.maxLeverage }),
      });
    }
  });

  it.each(['metaAndAssetCtxs.json', 'metaAndAssetCtxs.hummingbot-2023.json', 'assembled/metaAndAssetCtxs.main28.json'])(
    '%s: prices, funding, open interest and volume',
    (name) => {
      const { body, parsed } = checked(bodies.metaAndContextsBody, name);
      expect(parsed[1].length).toBeGreaterThan(1);
      for (const [i, row] of body[1].entries()) {
        expect(bodies.readContext('X', 1, parsed[1][i])).toEqual({
          symbol: 'X',
          tsMs: 1,
          markPrice: num(row.markPx),
          midPrice: num(row.midPx),
          oraclePrice: num(row.oraclePx),
          fundingRate: num(row.funding),
          openInterest: num(row.openInterest),
          volume24h: num(row.dayNtlVlm),
        });
      }
    },
  );

  it.each(['candleSnapshot.json', 'candleSnapshot.BTC-1m.testnet.json', 'candleSnapshot.kPEPE-1h.json'])(
    '%s: bars',
    (name) => {
      const { body, parsed } = checked(bodies.candlesBody, name);
      expect(parsed.map(bodies.toCandle)).toEqual(
        body.map((bar: Record<string, string>) => ({
          symbol: bar.s,
          openTsMs: bar.t,
          ...Object.fromEntries(
            [
              ['open', bar.o],
              ['high', bar.h],
              ['low', bar.l],
              ['close', bar.c],
              ['volume', bar.v],
            ].map(([k, v]) => [k, Number(v)]),
          ),
        })),
      );
    },
  );

  it.each(['fundingHistory.json', 'fundingHistory.2026.json'])('%s: prints', (name) => {
    const { body, parsed } = checked(bodies.fundingBody, name);
    expect(parsed.map(bodies.toFunding)).toEqual(
      body.map((row: Record<string, string>) => ({ symbol: row.coin, tsMs: row.time, rate: Number(row.fundingRate) })),
    );
  });

  it.each([
    'l2Book.json',
    'l2Book.DYDX.json',
    'l2Book.BTC-nSigFigs3.json',
    'l2Book.BTC-nSigFigs5.json',
    'l2Book.BTC-nSigFigs5-mantissa5.json',
  ])('%s: both sides, level by level', (name) => {
    const { body, parsed } = checked(bodies.bookBody, name);
    const side = (i: number) =>
      body.levels[i].map((l: Record<string, string>) => ({ price: Number(l.px), size: Number(l.sz) }));
    expect(bodies.toBook(parsed, 5)).toEqual({ tsMs: body.time ?? 5, bids: side(0), asks: side(1) });
  });

  it.each(['allMids.2023-07.json', 'assembled/allMids.main28.json'])('%s: mids', (name) => {
    const { body, parsed } = checked(bodies.midsBody, name);
    expect(parsed).toEqual(Object.fromEntries(Object.entries(body).map(([coin, px]) => [coin, Number(px)])));
  });
});

describe.skipIf(!hasRecorded)('recorded frames', () => {
  const heard = (frame: unknown) => readFrame(JSON.stringify(frame), 7);

  it('of the best prices are ticks at the time of the exchange; a book without offers is no price', () => {
    for (const frame of recorded('ws.bbo.json').frames) {
      const [bid, ask] = frame.data.bbo;
      const tick = bid &&
        ask && {
          symbol: frame.data.coin,
          tsMs: frame.data.time,
          price: (Number(bid.px) + Number(ask.px)) / 2,
          source: 'bbo',
        };
      expect(heard(frame)).toEqual({ kind: 'tick', tick });
    }
  });

  it('of contexts are contexts', () => {
    for (const frame of recorded('ws.activeAssetCtx.json').frames)
      expect(heard(frame)).toMatchObject({
        kind: 'context',
        context: {
          symbol: frame.data.coin,
          tsMs: 7,
          markPrice: Number(frame.data.ctx.markPx),
          midPrice: num(frame.data.ctx.midPx),
        },
      });
  });

  it('of executions name the account, snapshots too', () => {
    for (const frame of recorded('ws.userFills.json').frames)
      expect(heard(frame)).toEqual({ kind: 'account', address: frame.data.user });
  });

  it('of everything else are known to be nothing that is needed, never refused', () => {
    for (const name of readdirSync(RECORDED).filter((file) => file.startsWith('ws.') && UNUSED.test(file))) {
      const { frames, ack, reply, channel, data } = recorded(name);
      for (const frame of [...(frames ?? []), ack, reply, channel ? { channel, data } : undefined])
        if (frame) expect(heard(frame), name).toMatchObject({ kind: 'other' });
    }
  });
});

describe.skipIf(!hasRecorded)('recorded accounts', () => {
  it.each(readdirSync(hasRecorded ? RECORDED : '.').filter((name) => name.startsWith('clearinghouseState')))(
    '%s: equity, margin, positions',
    (name) => {
      const { body, parsed } = checked(accountBody, name);
      const state = toAccountState(parsed, []);
      expect([state.equityUsd, state.availableUsd, state.marginUsedUsd]).toEqual(
        [body.marginSummary.accountValue, body.withdrawable, body.marginSummary.totalMarginUsed].map(Number),
      );
      expect(state.positions).toHaveLength(body.assetPositions.length);
      for (const [i, { position }] of body.assetPositions.entries()) {
        const mark = Number(position.positionValue) / Math.abs(Number(position.szi));
        expect(state.positions[i]).toEqual({
          symbol: position.coin,
          quantity: Number(position.szi),
          entryPrice: Number(position.entryPx),
          leverage: position.leverage.value,
          markPrice: mark,
          marginMode: position.leverage.type,
          marginUsedUsd: Number(position.marginUsed),
          liquidationPrice: num(position.liquidationPx),
        });
        // The mark that it is worked back from gives the exchange's own profit, as exactly as its entry price is told.
        const profit = (mark - Number(position.entryPx)) * Number(position.szi);
        const digit = 10 ** -(position.entryPx.split('.')[1]?.length ?? 0);
        const tolerance = Math.abs(Number(position.szi)) * digit + 1e-6;
        expect(Math.abs(profit - Number(position.unrealizedPnl))).toBeLessThanOrEqual(tolerance);
      }
    },
  );

  it('frontendOpenOrders.json: an order with its sleeping stop and target', () => {
    const { parsed } = checked(openOrdersBody, 'frontendOpenOrders.json');
    expect(
      toOpenOrders(parsed).map((order) => [order.kind, order.triggerPrice, order.waitsForFill, order.side]),
    ).toEqual([
      ['target', 10.004, true, 'sell'],
      ['stop', 9.995, true, 'sell'],
      ['limit', null, false, 'buy'],
    ]);
  });

  it.each(['userFunding.json', 'userFunding.218rows.json'])(
    '%s: payments, each with an id of its own',
    async (name) => {
      const standIn = await startStandIn();
      const body = recorded(name);
      const entries = parseFunding(openClient(standIn).client, body, OWNER);
      await standIn.close();
      expect(entries.map(({ symbol, closedPnl, tsMs }) => [symbol, closedPnl, tsMs])).toEqual(
        body.map(({ delta, time }: { delta: Record<string, string>; time: number }) => [
          delta.coin,
          Number(delta.usdc),
          time,
        ]),
      );
      expect(new Set(entries.map((entry) => entry.id)).size).toBe(body.length);
    },
  );
});

describe.skipIf(!hasRecorded)('recorded answers to orders', () => {
  const result = (name: string) => {
    const { parsed } = checked(exchangeAnswer, `exchange/${name}.json`);
    return resultOf('0x1', statusesOf(parsed, 1)[0]);
  };

  it('that went well', () => {
    expect(result('order.filled')).toMatchObject({
      status: 'filled',
      filledSize: 0.01,
      avgPrice: 2080.2,
      oid: 315445859529,
      error: null,
    });
    expect(result('order.partial-ioc')).toMatchObject({ status: 'filled', filledSize: 136 });
    expect(result('order.reduceOnly-shrunk')).toMatchObject({ status: 'filled', filledSize: 0.02 });
    expect(result('order.resting')).toMatchObject({ status: 'resting', oid: 311642020084 });
    expect(result('order.resting-no-cloid')).toMatchObject({ status: 'resting', oid: 62088976113 });
    expect(checked(exchangeAnswer, 'exchange/updateLeverage.ok.json').parsed.status).toBe('ok');
    expect(statusesOf(checked(exchangeAnswer, 'exchange/cancel.success.json').parsed, 1)).toEqual(['success']);
  });

  it.each([
    ['order.err-iocCancel', 'NOF0_ORDER_NOT_MATCHED'],
    ['order.err-minTradeNtl', 'NOF0_ORDER_MIN_NOTIONAL'],
    ['order.err-minTradeNtl-partial-close', 'NOF0_ORDER_MIN_NOTIONAL'],
    ['order.err-reduceOnly', 'NOF0_ORDER_REDUCE_ONLY'],
    ['modify.err', 'NOF0_ORDER_GONE'],
    ['cancel.err-missing', 'NOF0_ORDER_GONE'],
  ])('%s is %s, though the answer is ok', (name, code) => {
    expect(result(name)).toMatchObject({ status: 'rejected', code, error: expect.not.stringContaining('asset=') });
  });

  it('of a batch are told one by one', () => {
    const { parsed } = checked(exchangeAnswer, 'exchange/cancel.batch-mixed.json');
    expect(statusesOf(parsed, 3).map((status) => typeof status)).toEqual(['string', 'object', 'object']);
  });

  it.each([
    ['err.address-rate-limit', 'NOF0_RATE_LIMITED'],
    ['err.bad-signature', 'NOF0_EXCHANGE_SIGNATURE'],
    ['err.duplicate-nonce', 'NOF0_EXCHANGE_NONCE'],
    ['err.leverage-open-position', 'NOF0_EXCHANGE_LEVERAGE'],
    ['err.unknown-wallet', 'NOF0_EXCHANGE_ACCOUNT'],
  ])('%s is %s', (name, code) => {
    const { parsed } = checked(exchangeAnswer, `exchange/${name}.json`);
    expect(parsed.status === 'err' && requestError(parsed.response)).toMatchObject({ code });
  });

  it('over the WebSocket are the same', () => {
    for (const name of ['ws.post.order.json', 'ws.post.cancel.json'])
      for (const { data } of recorded(name).frames)
        expect(() => parseBody(exchangeAnswer, data.response.payload, name, 'NOF0_EXCHANGE_DATA')).not.toThrow();
  });

  it('to a look-up', () => {
    expect(lookedUp('0x1', checked(orderStatusBody, 'orderStatus.json').parsed)).toMatchObject({
      status: 'filled',
      filledSize: 0.0076,
    });
    expect(lookedUp('0x1', checked(orderStatusBody, 'orderStatus.reduceOnlyCanceled.json').parsed)).toMatchObject({
      oid: 62014476975,
      filledSize: 0.01,
    });
    expect(lookedUp('0x1', checked(orderStatusBody, 'orderStatus.unknownOid.json').parsed)).toBeNull();
  });
});

describe('documented errors', () => {
  it.each([
    ['Price must be divisible by tick size.', 'NOF0_ORDER_INVALID'],
    ['Order must have minimum value of $10.', 'NOF0_ORDER_MIN_NOTIONAL'],
    ['Insufficient margin to place order.', 'NOF0_ORDER_MARGIN'],
    ['Reduce only order would increase position.', 'NOF0_ORDER_REDUCE_ONLY'],
    ['Post only order would have immediately matched, bbo was 1@2.', 'NOF0_ORDER_POST_ONLY'],
    ['Order could not immediately match against any resting orders.', 'NOF0_ORDER_NOT_MATCHED'],
    ['Invalid TP/SL price.', 'NOF0_ORDER_INVALID'],
    ['No liquidity available for market order.', 'NOF0_ORDER_NOT_MATCHED'],
    ['Order would increase open interest while open interest is capped', 'NOF0_ORDER_LIMIT'],
    ['Order would increase open interest too quickly', 'NOF0_ORDER_LIMIT'],
    ['Order rejected due to price more aggressive than oracle while at open interest cap', 'NOF0_ORDER_LIMIT'],
    ['Order price too far from oracle', 'NOF0_ORDER_LIMIT'],
    ['Order would cause position to exceed margin tier limit at current leverage', 'NOF0_ORDER_MARGIN'],
    ['Insufficient spot balance', 'NOF0_ORDER_MARGIN'],
    ['Order value too large. Max is $5000000.', 'NOF0_ORDER_LIMIT'],
    ['Order was never placed, already canceled, or filled.', 'NOF0_ORDER_GONE'],
    ['Attempted to modify to invalid new order', 'NOF0_ORDER_GONE'],
    ['Order has zero size.', 'NOF0_ORDER_INVALID'],
    ['Something that nobody has written down', 'NOF0_EXCHANGE_REJECTED'],
  ])('of an order: %s', (text, code) => {
    expect(orderErrorCode(text)).toBe(code);
    expect(orderErrorCode(`${text} asset=5`)).toBe(code);
  });

  it.each([
    ['Must deposit before performing actions. User: 0x12', 'NOF0_EXCHANGE_ACCOUNT'],
    ['Vault not registered: 0x12', 'NOF0_EXCHANGE_ACCOUNT'],
    ['Builder fee has not been approved.', 'NOF0_EXCHANGE_ACCOUNT'],
    ['Invalid nonce: duplicate nonce 1', 'NOF0_EXCHANGE_NONCE'],
    ['Request expired', 'NOF0_EXCHANGE_EXPIRED'],
    ['Invalid leverage value', 'NOF0_EXCHANGE_LEVERAGE'],
  ])('of a request: %s', (text, code) => expect(requestError(text).code).toBe(code));
});

describe.skipIf(!hasRecorded)('the list of this file', () => {
  it('misses no recorded body', () => {
    const text = readFileSync(fileURLToPath(import.meta.url), 'utf8');
    const names = readdirSync(RECORDED, { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.(json|txt)$/.test(name),
    );
    const covered = (name: string) =>
      text.includes(name.replace(/\.json$/, '').replace('exchange/', '')) ||
      UNUSED.test(name) ||
      CUT.has(name) ||
      /^(clearinghouseState|signing\.vectors|userFills|http422|exchange\/http422)/.test(name);
    expect(names.length).toBeGreaterThan(70);
    expect(names.filter((name) => !covered(name))).toEqual([]);
    // The executions and the signatures have tests of their own.
    expect(parseUserFills(JSON.parse(recordedText('userFills.json')), OWNER).fills.length).toBe(50);
  });
});
