import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ingestFills } from '../../src/engine/ingest-fills.ts';
import { parseUserFills } from '../../src/exchange/hyperliquid/user-fills.ts';
import { registerModels } from '../../src/store/models.ts';
import { hasRecorded, recorded } from '../hyperliquid/recorded.ts';
import { type Arena, openTestArena, T0 } from './arena.ts';

const ADDRESS = '0x109a42c3ead059b041560cb6da71058516e7ba3e';

describe.skipIf(!hasRecorded)('recorded fills of a real account', () => {
  let arena: Arena;
  let models = 0;

  beforeAll(async () => {
    arena = await openTestArena();
  });
  afterAll(() => arena.run.close());

  async function ingest(files: readonly string[], batch = Number.POSITIVE_INFINITY) {
    models += 1;
    const account = `real-${models}`;
    const terms = { exchangeProvider: 'hyperliquid', marketProvider: 'hyperliquid', config: {}, configDigest: 'd' };
    await registerModels(
      arena.db,
      [{ ...terms, id: account, displayName: account, initialEquityUsd: 10_000 }],
      T0,
      'test',
    );
    const fills = files
      .flatMap((file) => parseUserFills(recorded(file), { account, address: ADDRESS }).fills)
      .map((fill) => ({ ...fill, modelId: account }));
    const adopted = new Set<string>();
    while (fills.length > 0) {
      const some = fills.splice(0, batch);
      const result = await ingestFills(arena.stories, account, some, T0, { snapshot: false });
      for (const symbol of result.adopted) adopted.add(symbol);
    }
    return { account, adopted: [...adopted].sort() };
  }

  const rows = (account: string) =>
    arena.db.query(
      `SELECT replace(id, $1, '') AS id, quantity, entry_price, exit_price, realized_gross_pnl, realized_net_pnl, exit_reason FROM trades
       WHERE model_id = $1 AND voided_at IS NULL ORDER BY id`,
      [account],
    );

  it('name the coins whose history begins in the middle of a position', async () => {
    expect((await ingest(['userFills.json'])).adopted).toEqual(['BTC', 'FARTCOIN']);
    expect((await ingest(['userFills.dust.json'])).adopted).toEqual(['ARB', 'JUP', 'MANTA']);
  });

  it('are liquidations where the account itself was liquidated, and manual exits elsewhere', async () => {
    const { account } = await ingest(['userFills.json']);
    const reasons = await arena.db.query(
      'SELECT exit_reason AS reason, count(*) AS count FROM trades WHERE model_id = $1 GROUP BY 1 ORDER BY 1',
      [account],
    );
    const closing = (recorded('userFills.json') as { oid: number; closedPnl: string; liquidation?: object }[]).filter(
      (row) => Number(row.closedPnl) !== 0,
    );
    const orders = new Map(closing.map((row) => [row.oid, row.liquidation ? 'liquidation' : 'manual']));
    const wanted = ['liquidation', 'manual'].map((reason) => ({
      reason,
      count: [...orders.values()].filter((other) => other === reason).length,
    }));
    expect(reasons).toEqual(wanted);
  });

  it('come to the same rows at once, newest first and one by one', async () => {
    const [whole, single] = [await ingest(['userFills.json']), await ingest(['userFills.json'], 1)];
    expect(await rows(single.account)).toEqual(await rows(whole.account));
    expect((await rows(whole.account)).length).toBeGreaterThan(8);
  });
});
