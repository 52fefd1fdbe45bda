import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fill } from '../../src/domain/fill.ts';
import { clientOrderId } from '../../src/domain/ids.ts';
import { ingestFills, syncFills } from '../../src/engine/ingest-fills.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { verifyRows } from '../../src/engine/verify.ts';
import type { OrderIntent } from '../../src/exchange/exchange.ts';
import { registerModels } from '../../src/store/models.ts';
import { fill } from '../domain/fills.ts';
import { type Arena, never, openTestArena, PROVIDER, T0 } from './arena.ts';

const MODEL = 'checked';
let arena: Arena;

beforeAll(async () => {
  arena = await openTestArena();
  const terms = { exchangeProvider: 'paper', marketProvider: PROVIDER, config: {}, configDigest: 'd' };
  await registerModels(arena.db, [{ ...terms, id: MODEL, displayName: MODEL, initialEquityUsd: 10_000 }], T0, 'test');
});
beforeEach(async () => {
  await arena.db.query('TRUNCATE fills, positions, trades');
  await arena.db.query(
    'UPDATE accounts SET realized_usd = 0, fees_usd = 0, funding_usd = 0, transfers_usd = 0, turnover_usd = 0, synced_seq = 0',
  );
});
afterAll(() => arena.run.close());

const own = (number: number, part: Partial<Fill>): Fill =>
  fill({
    ...{ id: `paper:${MODEL}:${number}`, modelId: MODEL, provider: 'paper', seq: number, oid: number, tid: number },
    ...{ tsMs: T0 + number * 1000, feeUsd: 0.1 },
    ...part,
  });

/** Adds, reduces, flips, funding on what is held, a deposit with its fee: and half of a position is left. */
const HISTORY = [
  own(1, { side: 'buy', size: 2, price: 100, startPosition: 0 }),
  own(2, { kind: 'funding', closedPnl: -0.25, startPosition: 2, feeUsd: 0 }),
  own(3, { kind: 'transfer', symbol: '', closedPnl: 500, feeUsd: 1 }),
  own(4, { side: 'sell', size: 1, price: 110, startPosition: 2, closedPnl: 10 }),
  own(5, { side: 'sell', size: 3, price: 90, startPosition: 1, closedPnl: -10 }),
  own(6, { side: 'buy', size: 1, price: 80, startPosition: -2, closedPnl: 10 }),
];

const ingest = (fills: readonly Fill[]) => ingestFills(arena.stories, MODEL, fills, T0, { snapshot: false });
async function differences(): Promise<Record<string, string[]>> {
  const checks = await verifyRows(arena.db, PROVIDER, null);
  return Object.fromEntries(
    checks.filter((check) => check.differences.length > 0).map((check) => [check.family, check.differences]),
  );
}

describe('verify', () => {
  it('finds nothing in a ledger with funding, transfers, reductions and a flip', async () => {
    await ingest(HISTORY);
    expect(await differences()).toEqual({});
    const checks = await verifyRows(arena.db, PROVIDER, null);
    const compared = Object.fromEntries(checks.map((check) => [check.family, check.compared]));
    expect(compared).toMatchObject({
      ...{ 'ledger: fills folded': 6, 'ledger: positions': 2, 'ledger: trades': 3, 'ledger: funding': 1 },
      ...{ "ledger: exchange's profit": 1, 'ledger: trade identities': 3, 'ledger: equity': 3 },
    });
  });

  it.each<[string, string, string]>([
    ['a sum that lost a cent', 'UPDATE accounts SET fees_usd = fees_usd - 0.01', 'ledger: sums of accounts'],
    ['a transfer that no sum knows', 'UPDATE accounts SET transfers_usd = 0', 'ledger: equity'],
    ['a funding that no sum knows', 'UPDATE accounts SET funding_usd = 0', 'ledger: equity'],
    ['a trade without its fee', 'UPDATE trades SET exit_closed_pnl = realized_gross_pnl', 'ledger: trade identities'],
    [
      'a trade whose profit is another',
      'UPDATE trades SET realized_gross_pnl = realized_gross_pnl + 1',
      'ledger: trades',
    ],
    ['a position that grew', `UPDATE positions SET quantity = -3 WHERE status = 'open'`, 'ledger: positions'],
    ['a fill that is gone', `DELETE FROM fills WHERE seq = 4`, 'ledger: fills folded'],
    ['funding on what was not held', `UPDATE fills SET start_position = 1 WHERE kind = 'funding'`, 'ledger: funding'],
    [
      'a profit that is not the recorded one',
      'UPDATE fills SET closed_pnl = 11 WHERE seq = 4',
      "ledger: exchange's profit",
    ],
  ])('names %s', async (_name, fault, family) => {
    await ingest(HISTORY);
    await arena.db.query(fault);
    expect(Object.keys(await differences())).toContain(family);
  });

  it('counts positions that were adopted in their middle, which is no difference', async () => {
    await ingest([own(1, { side: 'sell', size: 1, price: 110, startPosition: 3, closedPnl: 10 })]);
    expect(await differences()).toEqual({});
    const checks = await verifyRows(arena.db, PROVIDER, null);
    expect(checks.find(({ family }) => family.includes('adopted'))?.compared).toBe(1);
  });
});

describe('verify beside the exchange', () => {
  const COMING = "exchange: entries that a model's next sync brings";
  const checked = () => verifyRows(arena.db, PROVIDER, arena.stories.exchange);
  const counted = async (family: string) => (await checked()).find((check) => check.family === family)?.compared;
  const equity = async () => (await checked()).find((check) => check.family === 'ledger: equity')?.differences;

  it('finds nothing wrong while an execution is on its way into the ledger, and something when it has gone lost', async () => {
    const { exchange } = arena.stories;
    await exchange.openAccounts([{ account: MODEL, initialUsd: 10_000 }]);
    await ingestPrices(arena.stories, T0, never);
    const nowMs = T0 + 1000;
    const order: OrderIntent = {
      ...{ cloid: clientOrderId('holder', T0, 'entry', 'BTC'), symbol: 'BTC', side: 'buy' as const, size: 0.01 },
      ...{ kind: 'market' as const, triggerPrice: null, reduceOnly: false, leverage: 2 },
    };
    const sent = await exchange.send(exchange.prepare('holder', [order], nowMs, nowMs + 10_000), nowMs, never);
    expect(sent.map(({ status }) => status)).toEqual(['filled']);
    expect(await counted(COMING)).toBe(1);
    expect(await equity()).toEqual([]);

    // The ledger believes that it has everything: nobody will ever bring the entry.
    await arena.db.query(`UPDATE accounts SET synced_seq = 1000 WHERE model_id = 'holder'`);
    expect(await counted(COMING)).toBeUndefined();
    expect(await equity()).toEqual([
      expect.stringMatching(/^holder equity: the ledger says 10000, the exchange/),
      'holder BTC: the ledger holds 0, the exchange 0.01',
    ]);

    await arena.db.query(`UPDATE accounts SET synced_seq = 0 WHERE model_id = 'holder'`);
    await syncFills(arena.stories, 'holder', nowMs, { snapshot: false });
    expect(await counted(COMING)).toBeUndefined();
    expect(await equity()).toEqual([]);
  });
});
