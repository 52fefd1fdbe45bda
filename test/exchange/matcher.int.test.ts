import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PaperExchange } from '../../src/exchange/paper/paper-exchange.ts';
import { type Arena, feed, never, one, openTestArena, PROVIDER, tick } from '../engine/arena.ts';
import { Desk } from './desk.ts';

const HOUR_MS = 3_600_000;

let arena: Arena;
let desk: Desk;

beforeAll(async () => {
  arena = await openTestArena();
  desk = new Desk(arena);
});
afterAll(() => arena.run.close());

/** A long of one unit with a stop at 190 and a target at 220, entered at 200. */
async function bracketed(symbol: string, size = 1): Promise<string> {
  const account = await desk.open();
  await desk.quote({ [symbol]: 200 });
  const exit = { side: 'sell', size, symbol } as const;
  await desk.send(
    account,
    { side: 'buy', size, symbol },
    { ...exit, kind: 'stop', triggerPrice: 190 },
    { ...exit, kind: 'target', triggerPrice: 220 },
  );
  return account;
}

const state = () =>
  arena.db.query(
    `SELECT (SELECT jsonb_agg(to_jsonb(f) ORDER BY account, seq) FROM paper_fills f) AS fills,
            (SELECT jsonb_agg(to_jsonb(o) ORDER BY oid) FROM paper_orders o) AS orders,
            (SELECT jsonb_agg(to_jsonb(p) ORDER BY account, symbol) FROM paper_positions p) AS positions,
            (SELECT jsonb_agg(to_jsonb(a) - 'updated_at' ORDER BY account) FROM paper_accounts a) AS accounts,
            (SELECT jsonb_agg(to_jsonb(m) ORDER BY symbol) FROM paper_marks m) AS marks,
            (SELECT jsonb_agg(to_jsonb(c) - 'updated_at') FROM paper_cursor c) AS cursor`,
  );

describe('a stop', () => {
  it('rests until a tick touches it, is filled at the worse of trigger and tick, and cancels the target', async () => {
    const account = await bracketed('SOL');
    await desk.quote({ SOL: 190.01 });
    expect(await desk.resting(account)).toEqual(['stop', 'target']);
    const touchedMs = await desk.quote({ SOL: 180 });
    const [, exit, ...more] = await desk.fills(account);
    expect(more).toEqual([]);
    // The market jumped over the trigger: 180 less one basis point.
    expect(exit).toMatchObject({ side: 'sell', size: 1, price: 179.98, startPosition: 1, tsMs: touchedMs });
    expect(await desk.positions(account)).toEqual([]);
    expect(await desk.resting(account)).toEqual([]);
    await desk.quote({ SOL: 300 });
    expect(await desk.fills(account)).toHaveLength(2);
  });

  it('of a short is touched from below', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    await desk.send(
      account,
      { side: 'sell', size: 1, symbol: 'SOL' },
      { side: 'buy', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 210 },
    );
    await desk.quote({ SOL: 209.99 });
    expect(await desk.positions(account)).toHaveLength(1);
    await desk.quote({ SOL: 210 });
    expect((await desk.fills(account)).at(-1)).toMatchObject({ side: 'buy', price: 210.03 });
  });

  it('on the wrong side of the mark is refused, and so is one that the mark has reached', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    const exit = { side: 'sell', size: 1, symbol: 'SOL' } as const;
    const results = await desk.send(
      account,
      { side: 'buy', size: 1, symbol: 'SOL' },
      { ...exit, kind: 'stop', triggerPrice: 205 },
      { ...exit, kind: 'stop', triggerPrice: 200 },
      { ...exit, kind: 'target', triggerPrice: 195 },
    );
    expect(results.map(({ error }) => error)).toEqual([null, ...Array(3).fill('Invalid TP/SL price.')]);
    expect(await desk.resting(account)).toEqual([]);
  });

  it('is not touched by a tick from before its placement that is only ingested or matched after it', async () => {
    const account = await desk.open();
    await desk.quote({ SOL: 200 });
    await desk.ingest({ SOL: 100 });
    const lateMs = desk.later();
    await desk.send(
      account,
      { side: 'buy', size: 1, symbol: 'SOL' },
      { side: 'sell', size: 1, symbol: 'SOL', kind: 'stop', triggerPrice: 190 },
    );
    await desk.match();
    await feed(arena.db, { ticks: [tick('SOL', lateMs, 110)] });
    await desk.match();
    expect(await desk.resting(account)).toEqual(['stop']);
    const fills = await desk.fills(account);
    expect(fills).toHaveLength(1);
  });

  it('is not touched by a tick older than the newest matched one of its symbol', async () => {
    const account = await bracketed('SOL');
    const skippedMs = desk.later();
    await desk.quote({ SOL: 205 });
    await feed(arena.db, { ticks: [tick('SOL', skippedMs, 100)] });
    await desk.match();
    expect(await desk.resting(account)).toEqual(['stop', 'target']);
    const mark = await one<{ price: number }>(arena.db, `SELECT price FROM paper_marks WHERE symbol = 'SOL'`);
    expect(mark.price).toBe(205);
  });

  it('closes what is left of a position that was reduced in between', async () => {
    const account = await bracketed('SOL', 3);
    await desk.send(account, { side: 'sell', size: 2, symbol: 'SOL', reduceOnly: true });
    await desk.quote({ SOL: 185 });
    expect((await desk.fills(account)).map(({ size }) => size)).toEqual([3, 2, 1]);
    expect(await desk.positions(account)).toEqual([]);
  });
});

describe('a target', () => {
  it('is filled at its trigger however far the market went, and cancels the stop', async () => {
    const account = await bracketed('SOL');
    await desk.quote({ SOL: 240 });
    expect((await desk.fills(account)).at(-1)).toMatchObject({ side: 'sell', price: 219.97 });
    expect(await desk.resting(account)).toEqual([]);
  });

  it('and a stop touched by ticks of one batch act in the order of the ticks', async () => {
    const account = await bracketed('SOL');
    const tsMs = desk.later(2000);
    await feed(arena.db, { ticks: [tick('SOL', tsMs - 1000, 221), tick('SOL', tsMs, 180)] });
    await desk.match();
    const fills = await desk.fills(account);
    expect(fills).toHaveLength(2);
    expect(fills.at(-1)).toMatchObject({ price: 219.97, tsMs: tsMs - 1000 });
  });
});

describe('funding', () => {
  it('is paid once a print by everybody who holds the symbol, at the price of the print', async () => {
    const [payer, receiver, idle] = [await desk.open(), await desk.open(), await desk.open()];
    await desk.quote({ ETH: 4000 });
    await desk.send(payer, { side: 'buy', size: 1, symbol: 'ETH' });
    await desk.send(receiver, { side: 'sell', size: 0.5, symbol: 'ETH' });
    const printMs = Math.ceil((desk.nowMs + 1) / HOUR_MS) * HOUR_MS;
    desk.later(printMs - desk.nowMs);
    const prints = { fundings: [{ symbol: 'ETH', tsMs: printMs, rate: 0.0001 }] };
    await feed(arena.db, { ticks: [tick('ETH', printMs - 500, 4100)], ...prints });
    await desk.match();
    // Told again, and worked through again: nothing new.
    await feed(arena.db, { ...prints, watermarkMs: printMs });
    await desk.match();
    await desk.match();
    const paid = (await desk.fills(payer)).filter(({ kind }) => kind === 'funding');
    expect(paid).toMatchObject([{ symbol: 'ETH', price: 4100, size: 1, feeUsd: 0, tsMs: printMs, oid: null }]);
    expect(paid[0]?.closedPnl).toBeCloseTo(-0.41, 9);
    const received = (await desk.fills(receiver)).filter(({ kind }) => kind === 'funding');
    expect(received).toHaveLength(1);
    expect(received[0]?.closedPnl).toBeCloseTo(0.205, 9);
    expect(await desk.fills(idle)).toEqual([]);
  });

  it('goes by the oracle price where the market tells one', async () => {
    const account = await desk.open();
    await desk.quote({ ETH: 4000 });
    await desk.send(account, { side: 'buy', size: 1, symbol: 'ETH' });
    const printMs = Math.ceil((desk.nowMs + 1) / HOUR_MS) * HOUR_MS;
    desk.later(printMs - desk.nowMs);
    const told = {
      midPrice: null,
      fundingRate: null,
      openInterest: null,
      volume24h: null,
      symbol: 'ETH',
      markPrice: 4000,
    };
    await feed(arena.db, {
      ticks: [tick('ETH', printMs - 1, 4000)],
      contexts: [
        { ...told, tsMs: printMs - 3000, oraclePrice: 4010 },
        { ...told, tsMs: printMs - 2000, oraclePrice: 4020 },
        { ...told, tsMs: printMs + 1, oraclePrice: 5000 },
      ],
      fundings: [{ symbol: 'ETH', tsMs: printMs, rate: 0.001 }],
      watermarkMs: printMs + 1,
    });
    await desk.match();
    const paid = (await desk.fills(account)).at(-1);
    expect(paid).toMatchObject({ kind: 'funding', price: 4020 });
    expect(paid?.closedPnl).toBeCloseTo(-4.02, 9);
  });

  it('is not paid on a position that a tick before the print had closed', async () => {
    const account = await bracketed('BNB');
    const printMs = Math.ceil((desk.nowMs + 1) / HOUR_MS) * HOUR_MS;
    desk.later(printMs - desk.nowMs);
    await feed(arena.db, {
      ticks: [tick('BNB', printMs - 10, 180)],
      fundings: [{ symbol: 'BNB', tsMs: printMs, rate: 0.01 }],
    });
    await desk.match();
    expect((await desk.fills(account)).map(({ kind }) => kind)).toEqual(['trade', 'trade']);
  });
});

describe('the matcher', () => {
  it('changes nothing when it works over the same ticks again', async () => {
    await bracketed('XRP');
    await desk.quote({ XRP: 180 });
    const before = await state();
    await desk.match();
    await desk.match();
    expect(await state()).toEqual(before);
  });

  it('run by several processes at once lets each tick act once', async () => {
    const accounts: string[] = [];
    for (let i = 0; i < 4; i += 1) accounts.push(await bracketed('XRP'));
    const others = Array.from(
      { length: 4 },
      () => new PaperExchange(arena.db, PROVIDER, arena.stories.config.arena.paper),
    );
    for (let round = 0; round < 10; round += 1) {
      await desk.ingest({ XRP: round === 6 ? 185 : 200 + round });
      await Promise.all(others.map((each) => each.match(never)));
    }
    for (const account of accounts) expect(await desk.fills(account)).toHaveLength(2);
    const cursor = await one<{ behind: number }>(
      arena.db,
      `SELECT (SELECT last_seq FROM ingest_cursors WHERE provider = $1) - seq AS behind FROM paper_cursor WHERE provider = $1`,
      [PROVIDER],
    );
    expect(cursor.behind).toBe(0);
  });

  it('and placements at the same time keep every account consistent', async () => {
    const accounts = await Promise.all(Array.from({ length: 4 }, () => desk.open(1_000_000)));
    await desk.quote({ DOGE: 1 });
    const trade = async (account: string) => {
      for (let i = 0; i < 10; i += 1) {
        await desk.send(
          account,
          { side: 'buy', size: 100, symbol: 'DOGE' },
          { side: 'sell', size: 100, symbol: 'DOGE', kind: 'stop', triggerPrice: 0.95 },
        );
      }
    };
    const move = async () => {
      for (let i = 0; i < 15; i += 1) await desk.quote({ DOGE: i % 3 === 2 ? 0.9 : 1 });
    };
    await Promise.all([...accounts.map(trade), move(), move()]);
    for (const account of accounts) {
      const fills = await desk.fills(account);
      let held = 0;
      for (const fill of fills) {
        expect(fill.startPosition).toBe(held);
        held += fill.side === 'buy' ? fill.size : -fill.size;
        expect(held).toBeGreaterThanOrEqual(0);
      }
      expect((await desk.positions(account)).reduce((sum, { quantity }) => sum + quantity, 0)).toBe(held);
      const row = await one<{ cash: number }>(
        arena.db,
        'SELECT cash_usd AS cash FROM paper_accounts WHERE account = $1',
        [account],
      );
      expect(row.cash).toBeCloseTo(
        fills.reduce((cash, fill) => cash + fill.closedPnl - fill.feeUsd, 1_000_000),
        6,
      );
    }
  });
});
