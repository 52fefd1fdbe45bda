import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { OrderIntent } from '../../src/exchange/exchange.ts';
import { HyperliquidExchange } from '../../src/exchange/hyperliquid/hyperliquid-exchange.ts';
import { type StandIn, startStandIn } from './stand-in.ts';
import { openClient } from './support.ts';

/** A throwaway key that everybody knows. */
const KEY = '0x0123456789012345678901234567890123456789012345678901234567890123';
const ADDRESS = `0x${'Ab'.repeat(20)}`;
const UNIVERSE = [
  { name: 'BTC', szDecimals: 5, maxLeverage: 40 },
  { name: 'ETH', szDecimals: 4, maxLeverage: 25 },
];
const NONCE = Date.UTC(2026, 8, 1);
const soon = () => Date.now() + 10_000;
const never = new AbortController().signal;
const cloid = (n: number) => `0x${n.toString(16).padStart(32, '0')}`;

const order = (n: number, fields: Partial<OrderIntent> = {}): OrderIntent => ({
  cloid: cloid(n),
  symbol: 'BTC',
  side: 'buy',
  size: 0.001,
  kind: 'market',
  triggerPrice: null,
  limitPrice: 60_000,
  reduceOnly: false,
  leverage: 5,
  ...fields,
});
const stop = (n: number, fields: Partial<OrderIntent> = {}) =>
  order(n, { side: 'sell', kind: 'stop', triggerPrice: 50_000, limitPrice: null, reduceOnly: true, ...fields });

const ok = (...statuses: unknown[]) => ({ status: 'ok', response: { type: 'order', data: { statuses } } });
const OK_DEFAULT = { status: 'ok', response: { type: 'default' } };
const filled = (totalSz: string, oid = 7) => ({ filled: { totalSz, avgPx: '59000.5', oid } });
const known = (status: string, fields: object = {}) => ({
  status: 'order',
  order: { order: { oid: 9, sz: '0.0', origSz: '0.001', ...fields }, status, statusTimestamp: 1 },
});

let standIn: StandIn;
let opened: ReturnType<typeof openClient>;
let exchange: HyperliquidExchange;
/** Answers of the orders, by client order id; what is not here was never placed. */
let orders: Map<string, unknown>;
beforeAll(async () => {
  standIn = await startStandIn();
});
afterAll(() => standIn.close());
beforeEach(async () => {
  orders = new Map();
  standIn.answer('meta', () => ({ universe: UNIVERSE }));
  standIn.answer('orderStatus', ({ oid }) => orders.get(String(oid)) ?? { status: 'unknownOid' });
  standIn.answer('allMids', () => ({ BTC: '58000.0', ETH: '2000.0' }));
  opened = openClient(standIn, 300);
  exchange = await HyperliquidExchange.open(opened.client, {
    accounts: [{ account: 'alpha', address: ADDRESS, key: KEY, isVault: false, initialUsd: 1000 }],
    ledgerBeganMs: async () => NONCE,
  });
  standIn.asked.length = 0;
  standIn.posted.length = 0;
  answerAs((type) => (type === 'updateLeverage' ? OK_DEFAULT : ok(filled('0.001'))));
});

/** Answers every posted action by its type. */
function answerAs(answer: (type: string, action: Record<string, unknown>) => unknown): void {
  standIn.state.exchange = ({ action }) => {
    const body = action as Record<string, unknown>;
    return answer(String(body.type), body);
  };
}
const actionsOf = () => standIn.posted.map((text) => JSON.parse(text).action);
const send = (intents: OrderIntent[], expiresAtMs = soon(), nonce = NONCE) =>
  exchange.send(exchange.prepare('alpha', intents, nonce, expiresAtMs), Date.now(), never);

describe('orders on their way', () => {
  it('are written as the exchange wants them: numbers as short text, keys in the order that is signed', async () => {
    await send([order(1, { size: 0.1 + 0.2 })]);
    const [leverage, placed] = actionsOf();
    expect(leverage).toEqual({ type: 'updateLeverage', asset: 0, isCross: true, leverage: 5 });
    expect(JSON.stringify(placed)).toBe(
      `{"type":"order","orders":[{"a":0,"b":true,"p":"60000","s":"0.3","r":false,"t":{"limit":{"tif":"Ioc"}},"c":"${cloid(1)}"}],"grouping":"na"}`,
    );
  });

  it('carry consecutive numbers and an expiry on the clock of the exchange', async () => {
    standIn.answer('clearinghouseState', () => ({ ...EMPTY, time: Date.now() + 5000 }));
    await exchange.openAccounts([{ account: 'alpha', initialUsd: 1000 }]);
    const expiresAtMs = soon();
    await send([order(1)], expiresAtMs);
    const requests = standIn.posted.map((text) => JSON.parse(text));
    expect(requests.map((request) => request.nonce)).toEqual([NONCE, NONCE + 1]);
    expect(requests[0].expiresAfter - expiresAtMs).toBeGreaterThan(4000);
    expect(requests[0].vaultAddress).toBeNull();
  });

  it('of an entry with its stop and target are one action, so that no moment is without the stop', async () => {
    const children = { grouping: 'normalTpsl' as const };
    await send([
      order(1),
      stop(2, children),
      stop(3, { ...children, kind: 'target', triggerPrice: 70_000 }),
      stop(4, { symbol: 'ETH', triggerPrice: 1500, grouping: 'positionTpsl' }),
    ]);
    const [, bracket, protection] = actionsOf();
    expect([bracket.grouping, bracket.orders.length, protection.grouping, protection.orders.length]).toEqual([
      'normalTpsl',
      3,
      'positionTpsl',
      1,
    ]);
    expect(bracket.orders[1]).toMatchObject({
      b: false,
      r: true,
      p: '46000',
      t: { trigger: { isMarket: true, triggerPx: '50000', tpsl: 'sl' } },
    });
    expect(bracket.orders[2].t.trigger.tpsl).toBe('tp');
  });

  it('close before the leverage of an entry is changed', async () => {
    await send([order(1, { side: 'sell', reduceOnly: true }), order(2)]);
    expect(actionsOf().map((action) => action.type)).toEqual(['order', 'updateLeverage', 'order']);
  });

  it('without a limit take the price that the account was last seen at', async () => {
    standIn.answer('clearinghouseState', () => EMPTY);
    standIn.answer('frontendOpenOrders', () => []);
    const blind = order(1, { limitPrice: null });
    expect(() => exchange.prepare('alpha', [blind], NONCE, soon())).toThrow(/no limit price/);
    await exchange.accountState('alpha');
    await send([blind]);
    expect(actionsOf()[1].orders[0].p).toBe('62640');
  });
});

describe('answers', () => {
  it('come one an order, in the order of the orders', async () => {
    answerAs((type, action) => {
      if (type === 'updateLeverage') return OK_DEFAULT;
      return (action.orders as { a: number }[])[0]?.a === 0 ? ok({ resting: { oid: 5 } }) : ok(filled('0.01'));
    });
    const results = await send([
      order(1, { kind: 'limit' }),
      order(2, { symbol: 'ETH', side: 'sell', reduceOnly: true }),
    ]);
    expect(results.map((result) => [result.cloid, result.status, result.oid, result.filledSize])).toEqual([
      [cloid(1), 'resting', 5, 0],
      [cloid(2), 'filled', 7, 0.01],
    ]);
  });

  it('hold errors inside of "ok", in the words of the exchange; one error may stand for a whole batch', async () => {
    answerAs((type) =>
      type === 'updateLeverage' ? OK_DEFAULT : ok({ error: 'Order must have minimum value of $10. asset=0' }),
    );
    const results = await send([order(1), stop(2)]);
    expect(results).toMatchObject([
      { status: 'rejected', error: 'Order must have minimum value of $10.', code: 'NOF0_ORDER_MIN_NOTIONAL' },
      { status: 'rejected', code: 'NOF0_ORDER_MIN_NOTIONAL' },
    ]);
  });

  it('of a refused leverage hold the entry back with its stop, not what closes', async () => {
    answerAs((type) =>
      type === 'updateLeverage'
        ? { status: 'err', response: 'Cannot switch leverage type with open position.' }
        : ok(filled('0.001')),
    );
    const results = await send([order(1, { side: 'sell', reduceOnly: true }), order(2), stop(3)]);
    expect(results.map((result) => [result.status, 'code' in result ? result.code : null])).toEqual([
      ['filled', null],
      ['rejected', 'NOF0_EXCHANGE_LEVERAGE'],
      ['rejected', 'NOF0_EXCHANGE_LEVERAGE'],
    ]);
    expect(actionsOf().map((action) => action.type)).toEqual(['order', 'updateLeverage']);
  });

  it('of a whole request that is refused belong to every order of it', async () => {
    answerAs(() => ({ status: 'err', response: 'Unable to recover signer.' }));
    const [result] = await send([order(1, { reduceOnly: true, side: 'sell' })]);
    expect(result).toMatchObject({ status: 'rejected', code: 'NOF0_EXCHANGE_SIGNATURE' });
  });

  it('after a fill tell the numbers of stop and target, which the exchange itself only says to wait', async () => {
    answerAs((type) =>
      type === 'updateLeverage' ? OK_DEFAULT : ok(filled('0.001'), 'waitingForTrigger', 'waitingForTrigger'),
    );
    orders.set(cloid(2), known('open', { oid: 21, isTrigger: true }));
    const target = { ...stop(3), kind: 'target' as const, triggerPrice: 90_000, grouping: 'normalTpsl' as const };
    // The target is not to be found yet: it stands all the same.
    expect(await send([order(1), stop(2, { grouping: 'normalTpsl' }), target])).toMatchObject([
      { status: 'filled', oid: 7 },
      { status: 'resting', oid: 21 },
      { status: 'resting', oid: null },
    ]);
  });

  it('after a fill in part tell what became of the sleeping stop', async () => {
    answerAs((type) => (type === 'updateLeverage' ? OK_DEFAULT : ok(filled('0.0004'), 'waitingForFill')));
    orders.set(cloid(2), known('canceled', { sz: '0.001' }));
    const results = await send([order(1), stop(2, { grouping: 'normalTpsl' })]);
    expect(results).toMatchObject([
      { status: 'filled', filledSize: 0.0004 },
      { status: 'canceled', filledSize: 0 },
    ]);
  });
});

describe('nobody answers', () => {
  const close = (n: number) => order(n, { reduceOnly: true, side: 'sell' });

  it('so the identical bytes are sent again, and act once', async () => {
    const seen = new Set<number>();
    standIn.state.exchange = ({ nonce }) => {
      // The first answer is lost on its way back, though the order was placed.
      if (seen.has(Number(nonce))) return { status: 'err', response: `Invalid nonce: duplicate nonce ${nonce}` };
      seen.add(Number(nonce));
      orders.set(cloid(1), known('filled'));
      return undefined;
    };
    const prepared = exchange.prepare('alpha', [close(1)], NONCE, soon());
    const results = await exchange.send(prepared, Date.now(), never);
    expect(results).toMatchObject([{ status: 'filled', oid: 9, filledSize: 0.001 }]);
    expect(standIn.posted.length).toBe(2);
    expect(standIn.posted[1]).toBe(standIn.posted[0]);
    expect(prepared.bytes).toContain(standIn.posted[0]);
  });

  it('after a crash the stored bytes are delivered again: what was placed is looked up, what was not is sent', async () => {
    const used = new Set<number>();
    standIn.state.exchange = ({ nonce, action }) => {
      if (used.has(Number(nonce))) return { status: 'err', response: `Invalid nonce: duplicate nonce ${nonce}` };
      used.add(Number(nonce));
      if ((action as { type: string }).type === 'updateLeverage') return OK_DEFAULT;
      const [{ c }] = (action as { orders: [{ c: string }] }).orders;
      orders.set(c, known('filled'));
      return ok(filled('0.001'));
    };
    const prepared = exchange.prepare('alpha', [close(1), order(2)], NONCE, soon());
    await exchange.send(prepared, Date.now(), never);
    const again = await exchange.send(prepared, Date.now(), never);
    expect(again.map((result) => [result.status, result.oid])).toEqual([
      ['filled', 9],
      ['filled', 9],
    ]);
    expect(used.size).toBe(3);
  });

  it('and unknown means never placed only after the expiry', async () => {
    standIn.state.exchange = () => ({ http: { status: 502, body: 'Bad Gateway', contentType: 'text/html' } });
    const expiresAtMs = Date.now() + 700;
    const [result] = await send([close(1)], expiresAtMs);
    expect(Date.now()).toBeGreaterThan(expiresAtMs);
    expect(result).toMatchObject({ status: 'rejected', code: 'NOF0_EXCHANGE_EXPIRED' });
  });

  it('and an order that turns up late, before its expiry, is found', async () => {
    standIn.state.exchange = () => {
      setTimeout(() => orders.set(cloid(1), known('filled')), 900);
      return undefined;
    };
    const [result] = await send([close(1)], Date.now() + 700);
    expect(result).toMatchObject({ status: 'filled' });
  });

  it('and too late nothing is sent at all', async () => {
    const [result] = await send([close(1)], Date.now() - 2000);
    expect(standIn.posted).toEqual([]);
    expect(result).toMatchObject({ status: 'rejected', code: 'NOF0_EXCHANGE_EXPIRED' });
  });

  it('to a change of leverage: nothing is entered, and the work is tried again', async () => {
    answerAs(() => undefined);
    await expect(send([order(1)])).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_UNAVAILABLE', retryable: true });
    expect(actionsOf().every((action) => action.type === 'updateLeverage')).toBe(true);
  });

  it('but asks for less: everybody waits, then the same bytes go', async () => {
    let refusals = 1;
    answerAs(() => (refusals-- > 0 ? { http: { status: 429, body: 'null' } } : ok(filled('0.001'))));
    expect(await send([close(1)])).toMatchObject([{ status: 'filled' }]);
    expect(opened.spent.blockedMs.length).toBe(1);
  });
});

describe('standing orders', () => {
  it('are canceled by either number; what was gone is told and harmless', async () => {
    answerAs((type) => ({
      status: 'ok',
      response: {
        type: 'cancel',
        data: {
          statuses:
            type === 'cancel'
              ? ['success', { error: 'Order was never placed, already canceled, or filled. asset=1' }]
              : ['success'],
        },
      },
    }));
    const targets = [
      { symbol: 'BTC', oid: 1 },
      { symbol: 'BTC', cloid: cloid(5) },
      { symbol: 'ETH', oid: 2 },
    ];
    expect(await exchange.cancel('alpha', targets, Date.now(), never)).toEqual([
      { error: null },
      { error: null },
      { error: 'Order was never placed, already canceled, or filled.' },
    ]);
    expect(actionsOf()).toEqual([
      {
        type: 'cancel',
        cancels: [
          { a: 0, o: 1 },
          { a: 1, o: 2 },
        ],
      },
      { type: 'cancelByCloid', cancels: [{ asset: 0, cloid: cloid(5) }] },
    ]);
  });

  it('are replaced once: a second call finds the new one', async () => {
    answerAs(() => {
      orders.set(cloid(6), known('open', { sz: '0.001' }));
      return OK_DEFAULT;
    });
    const replace = () => exchange.modify('alpha', { symbol: 'BTC', oid: 1 }, stop(6), Date.now(), never);
    expect(await replace()).toMatchObject({ status: 'resting', oid: 9 });
    expect(await replace()).toMatchObject({ status: 'resting', oid: 9 });
    expect(actionsOf()).toMatchObject([{ type: 'modify', oid: 1, order: { c: cloid(6) } }]);
  });

  it('and leverage: a refusal is thrown in the words of the exchange', async () => {
    answerAs(() => ({ status: 'err', response: 'Cannot switch leverage type with open position.' }));
    const set = () => exchange.setLeverage('alpha', 'ETH', { leverage: 3, marginMode: 'isolated' }, Date.now(), never);
    await expect(set()).rejects.toMatchObject({
      code: 'NOF0_EXCHANGE_LEVERAGE',
      message: expect.stringContaining('Cannot switch leverage type'),
    });
    expect(actionsOf()).toEqual([{ type: 'updateLeverage', asset: 1, isCross: false, leverage: 3 }]);
  });
});

const SUMMARY = { accountValue: '1234.5', totalNtlPos: '0.0', totalRawUsd: '0.0', totalMarginUsed: '100.0' };
const EMPTY = {
  marginSummary: SUMMARY,
  crossMarginSummary: SUMMARY,
  crossMaintenanceMarginUsed: '12.5',
  withdrawable: '1134.5',
  assetPositions: [] as object[],
  time: NONCE,
};
const SHORT = {
  type: 'oneWay',
  position: {
    coin: 'ETH',
    szi: '-0.5',
    leverage: { type: 'isolated', value: 3, rawUsd: '1.0' },
    entryPx: '2100.0',
    positionValue: '1000.0',
    unrealizedPnl: '50.0',
    marginUsed: '100.0',
    liquidationPx: '2500.0',
  },
};
const listed = (fields: object) => ({
  coin: 'ETH',
  side: 'B',
  limitPx: '2300.0',
  sz: '0.5',
  oid: 1,
  isTrigger: false,
  triggerPx: '0.0',
  reduceOnly: false,
  isPositionTpsl: false,
  orderType: 'Limit',
  cloid: null,
  children: [] as object[],
  ...fields,
});

describe('an account', () => {
  it('is equity, margin, positions at their mark, and everything that stands', async () => {
    standIn.answer('clearinghouseState', () => ({ ...EMPTY, assetPositions: [SHORT] }));
    const child = listed({ oid: 2, isTrigger: true, triggerPx: '2200.0', orderType: 'Stop Market', reduceOnly: true });
    const follows = { isTrigger: true, triggerPx: '1800.0', orderType: 'Take Profit Market', isPositionTpsl: true };
    standIn.answer('frontendOpenOrders', () => [
      listed({ children: [child] }),
      child,
      listed({ oid: 3, cloid: cloid(1), reduceOnly: true, ...follows }),
    ]);
    const state = await exchange.accountState('alpha');
    expect(state).toMatchObject({
      equityUsd: 1234.5,
      availableUsd: 1134.5,
      marginUsedUsd: 100,
      maintenanceMarginUsd: 12.5,
    });
    expect(state.positions).toEqual([
      {
        symbol: 'ETH',
        quantity: -0.5,
        entryPrice: 2100,
        leverage: 3,
        markPrice: 2000,
        marginMode: 'isolated',
        marginUsedUsd: 100,
        liquidationPrice: 2500,
      },
    ]);
    expect(
      state.openOrders.map((each) => [each.oid, each.kind, each.size, each.triggerPrice, each.waitsForFill]),
    ).toEqual([
      [1, 'limit', 0.5, null, false],
      [2, 'stop', 0.5, 2200, true],
      [3, 'target', 0, 1800, false],
    ]);
  });

  it('that is not configured, or is none, is told', async () => {
    await expect(exchange.accountState('nobody')).rejects.toMatchObject({ code: 'NOF0_EXCHANGE_ACCOUNT' });
    const accounts = [{ account: 'a', address: ADDRESS, key: 'hunter2', isVault: false, initialUsd: 1 }];
    const opening = HyperliquidExchange.open(opened.client, { accounts, ledgerBeganMs: async () => null });
    await expect(opening).rejects.toMatchObject({
      code: 'NOF0_EXCHANGE_SIGNATURE',
      message: expect.not.stringContaining('hunter2'),
    });
  });
});

describe('the ledger', () => {
  it('begins with the money and the positions that are there', async () => {
    standIn.answer('clearinghouseState', () => ({ ...EMPTY, assetPositions: [SHORT] }));
    const entries = await exchange.fillsSince('alpha', 0);
    expect(entries.map((entry) => [entry.id, entry.kind, entry.symbol, entry.closedPnl, entry.tsMs])).toEqual([
      // 1,234.5 less 50 that is not realised, less the 1,000 that it is said to have begun with.
      ['hyperliquid:alpha:opening:cash', 'transfer', 'USDC', 184.5, NONCE],
      ['hyperliquid:alpha:opening:ETH', 'opening', 'ETH', 0, NONCE],
    ]);
    expect(entries[1]).toMatchObject({ side: 'sell', size: 0.5, price: 2100, startPosition: 0 });
  });

  const fill = (tid: number, time: number) => ({
    coin: 'BTC',
    px: '100.0',
    sz: '1.0',
    side: 'B',
    time,
    startPosition: '0.0',
    dir: 'Open Long',
    closedPnl: '0.0',
    hash: '0x00',
    oid: tid,
    crossed: true,
    fee: '0.1',
    tid,
  });

  it('goes on with executions, funding and transfers, over pages that overlap, never before its beginning', async () => {
    const from = NONCE + 600_000;
    // Two pages; the second one begins in the millisecond that the first one ended in.
    const fills = Array.from({ length: 2001 }, (_, i) => fill(i + 1, from + Math.floor(i / 2)));
    standIn.answer('userFillsByTime', ({ startTime }) =>
      fills.filter(({ time }) => time >= Number(startTime)).slice(0, 2000),
    );
    standIn.answer('userFunding', () => [
      {
        time: from,
        hash: '0x00',
        delta: { type: 'funding', coin: 'BTC', usdc: '-0.5', szi: '-2.0', fundingRate: '0.1' },
      },
    ]);
    const delta = (type: string, fields: object) => ({ time: from, hash: `0x${type}`, delta: { type, ...fields } });
    const other = `0x${'c'.repeat(40)}`;
    standIn.answer('userNonFundingLedgerUpdates', () => [
      delta('deposit', { usdc: '100.0' }),
      delta('withdraw', { usdc: '10.0', nonce: 1, fee: '1.0' }),
      delta('internalTransfer', { usdc: '5.0', user: ADDRESS, destination: other, fee: '1.0' }),
      delta('subAccountTransfer', { usdc: '7.0', user: other, destination: ADDRESS }),
      delta('accountClassTransfer', { usdc: '3.0', toPerp: false }),
      delta('spotTransfer', { token: 'HYPE', amount: '1.0', usdcValue: '40.0' }),
    ]);
    const entries = await exchange.fillsSince('alpha', from);
    const of = (kind: string) => entries.filter((entry) => entry.kind === kind);
    expect(of('trade').length).toBe(2001);
    expect(new Set(entries.map((entry) => entry.id)).size).toBe(entries.length);
    expect(of('funding')).toMatchObject([
      { id: `hyperliquid:alpha:funding:BTC:${from}`, closedPnl: -0.5, size: 2, side: 'sell' },
    ]);
    expect(of('transfer').map((entry) => entry.closedPnl)).toEqual([100, -11, -6, 7, -3]);
    expect(Math.max(...entries.map((entry) => entry.seq))).toBe(from + 1000);
    const [first] = standIn.asked.filter(({ type }) => type === 'userFillsByTime');
    expect(Number(first?.startTime)).toBe(from - 120_000);
    await exchange.fillsSince('alpha', NONCE + 1000);
    expect(Number(standIn.asked.findLast(({ type }) => type === 'userFunding')?.startTime)).toBe(NONCE + 1);
  });

  it('takes nothing from an answer of another shape, and says where', async () => {
    standIn.answer('userFillsByTime', () => [fill(1, NONCE + 1), { ...fill(2, NONCE + 2), sz: 1 }]);
    await expect(exchange.fillsSince('alpha', NONCE + 1)).rejects.toMatchObject({
      code: 'NOF0_EXCHANGE_DATA',
      faults: [{ path: 'userFills[1].sz' }],
    });
    expect(await opened.counted('providerRefused')).toContainEqual(
      expect.objectContaining({ what: 'userFills', value: 1 }),
    );
  });
});
