/** What the desk tells those who listen: on its channel in Redis, and on the stream of the API. */

import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LiveFeed } from '../../src/projections/live-feed.ts';
import { scan, seedDesk } from '../browser/desk.ts';
import { eventually } from '../eventually.ts';
import { createRun, type TestRun } from '../harness.ts';

let run: TestRun;

beforeAll(async () => {
  run = await createRun({ kind: 'equities', settings: { feed: 'synthetic', day: '2025-05-09' } });
  await seedDesk(run.resources);
});
afterAll(() => run.close());

describe('the desk', () => {
  it('publishes each key on system:events as it is written, with its value, and null when it is gone', async () => {
    const { publisher, keys, db } = run.resources;
    const heard: { key: string; value: unknown }[] = [];
    const listener = new Redis(run.servers.cacheRedisUrl);
    try {
      expect(keys.deskChannel()).toMatch(/system:events$/);
      listener.on('message', (_channel, text) => heard.push(JSON.parse(text)));
      await listener.subscribe(keys.deskChannel());
      await publisher.refresh([{ family: 'stockPosition', ids: ['AAPL'] }]);
      await db.query(`UPDATE positions SET status = 'closed', exit_ts_ms = entry_ts_ms + 1 WHERE id = 'p1'`);
      await publisher.refresh([{ family: 'stockPosition', ids: ['AAPL'] }]);
      await eventually('both messages', () => Promise.resolve(heard.length === 2));
      const key = keys.key('stockPosition', ['AAPL']);
      expect(key).toMatch(/positions:active:AAPL$/);
      expect(heard[0]).toMatchObject({ key, value: { symbol: 'AAPL', quantity: 10, unrealized_pnl: 25 } });
      expect(heard[1]).toEqual({ key, value: null });
    } finally {
      listener.disconnect();
    }
  });

  it('tells browsers of a scan, and not of every price', async () => {
    const { keys, logger, publisher } = run.resources;
    const feed = new LiveFeed({ ...run.servers, keys, logger });
    const told: string[] = [];
    try {
      const watching = await feed.watch(null, ({ topic, data }) => {
        if (topic === 'desk') told.push((JSON.parse(data) as { key: string }).key);
      });
      watching.begin();
      const names = () => new Set(told.map((key) => key.slice(keys.key('watchlist', []).indexOf('watchlist'))));
      let minutes = 0;
      await eventually('the scan', async () => {
        // The subscription begins a moment after the watching: what is said before is read, not heard.
        minutes += 1;
        await publisher.refresh([{ family: 'stockPrice', ids: ['AAPL'] }]);
        await scan(run.resources, minutes, [['AAPL', 0.9, 152.5, ['breakout']]]);
        return names().size >= 3;
      });
      expect([...names()].sort()).toEqual(['candidates:ranked', 'system:state', 'watchlist:current']);
    } finally {
      await feed.close();
    }
  });
});
