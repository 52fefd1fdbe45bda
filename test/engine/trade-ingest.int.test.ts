import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { contractOf, enqueueEffect, type PayloadOf, parsePayload } from '../../src/jobs/registry.ts';
import { listDeadLetters } from '../../src/store/dead-letters.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { tradeIngestHandler } from '../../workers/trade-ingest.ts';
import { commit, outboxRows } from '../platform/support.ts';
import { type Arena, count, feed, never, one, openTestArena, T0, tick, until } from './arena.ts';

let arena: Arena;
let worker: ReturnType<typeof startWorker>;

beforeAll(async () => {
  arena = await openTestArena();
  worker = startWorker(arena.run.resources, 'trade-ingest', tradeIngestHandler(arena.stories), 4);
});
afterEach(() => arena.db.query('DELETE FROM effects'));
afterAll(async () => {
  await worker.close(0);
  await arena.run.close();
});

/** Promises the job as a commit does, and waits until it has been acknowledged. */
async function run(payload: { modelId: string; provider?: string; fills?: readonly object[] }): Promise<void> {
  const effect = enqueueEffect('trade-ingest', { provider: 'paper', asOfMs: T0, ...payload });
  await arena.run.resources.outbox.drain(await commit(arena.db, [effect]));
  await until('the job', async () => (await count(arena.db, 'effects WHERE target = $1', [effect.target])) === 0);
}

/** Jobs that must still run. */
const promised = async () =>
  (await outboxRows(arena.db))
    .filter(({ kind }) => kind === 'enqueue')
    .map(({ target }) => target)
    .sort();

const pushed = (number: number, side: 'buy' | 'sell', price: number, more: object = {}) => ({
  ...{ id: `paper:twin:${number}`, symbol: 'BTC', side, price, size: 0.01, oid: number, feeUsd: 0.3 },
  ...{ tsMs: T0 + number * 1000, ...more },
});

describe('trade-ingest', () => {
  it('takes pushed fills into the ledger, and asks for a snapshot and analytics of the model', async () => {
    const fills = [pushed(1, 'buy', 90_000), pushed(2, 'sell', 91_000, { closedPnl: 10 })];
    await run({ modelId: 'twin', fills });
    expect(
      await one(
        arena.db,
        `SELECT realized_gross_pnl AS gross, exit_reason AS reason FROM trades WHERE model_id = 'twin'`,
      ),
    ).toEqual({ gross: 10, reason: 'manual' });
    expect(await promised()).toEqual(['analytics_twin', 'snapshot_twin']);
    // Pushed again, in another order.
    await run({ modelId: 'twin', fills: fills.toReversed() });
    expect(await count(arena.db, `fills WHERE model_id = 'twin'`)).toBe(2);
    expect(await promised()).toHaveLength(2);
  });

  it('without fills fetches what the exchange has beyond the ledger', async () => {
    await feed(arena.db, { ticks: [tick('SOL', T0, 200)] });
    const { exchange } = arena.stories;
    await exchange.match?.(never);
    const order = { cloid: 'c1', symbol: 'SOL', side: 'buy', size: 1, kind: 'market' } as const;
    const rest = { triggerPrice: null, reduceOnly: false, leverage: 1 };
    await exchange.send(exchange.prepare('holder', [{ ...order, ...rest }], T0, T0 + 10_000), T0, never);
    await run({ modelId: 'holder' });
    expect(await one(arena.db, `SELECT quantity FROM positions WHERE model_id = 'holder'`)).toEqual({ quantity: 1 });
  });

  it('says which symbols begin in the middle of a position', async () => {
    const { payload } = enqueueEffect('trade-ingest', {
      ...{ modelId: 'twin', provider: 'paper', asOfMs: T0 },
      fills: [pushed(9, 'sell', 3000, { symbol: 'ETH', startPosition: 0.05 })],
    });
    const job = parsePayload(contractOf('trade-ingest'), payload.data) as PayloadOf<'trade-ingest'>;
    const { logger } = arena.run.resources;
    const outcome = await tradeIngestHandler(arena.stories)(job, { signal: never, logger, attempt: 1 });
    expect(outcome).toEqual({ kind: 'done', note: { newFills: 1, adopted: ['ETH'] } });
  });

  it('of an exchange where the model does not trade goes to the dead letters, whole', async () => {
    const fills = [{ ...pushed(1, 'buy', 90_000), id: 'elsewhere:twin:1' }];
    await run({ modelId: 'twin', provider: 'elsewhere', fills });
    const letters = await listDeadLetters(arena.db, { job: 'trade-ingest', limit: 10 });
    expect(letters).toMatchObject([{ errorCode: 'NOF0_INPUT_INVALID', modelId: 'twin', payload: { fills } }]);
  });
});

describe('the payload of trade-ingest', () => {
  const parse = (fills: object[]) =>
    parsePayload(contractOf('trade-ingest'), { v: 1, modelId: 'twin', provider: 'paper', asOfMs: T0, fills });

  it('fills in what an exchange need not tell', () => {
    expect(parse([pushed(1, 'buy', 1)])).toMatchObject({
      fills: [
        { startPosition: null, seq: 0, cloid: null, tid: null, crossed: true, liquidation: false, kind: 'trade' },
      ],
    });
  });

  it.each([
    ['an id of another exchange', { id: 'other:twin:1' }],
    ['a price that is no number', { price: Number.NaN }],
    ['a negative size', { size: -1 }],
    ['a time in seconds', { tsMs: 1_757_937_600 }],
    ['a field nobody knows', { fee: 1 }],
  ])('refuses %s', (_name, fault) => {
    expect(() => parse([pushed(1, 'buy', 1, fault)])).toThrow(
      expect.objectContaining({ code: 'NOF0_PAYLOAD_INVALID' }),
    );
  });
});
