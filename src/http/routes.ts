/** The public read API. Shapes and units of every answer stand in the docs; each is built in a `read-…` file beside this one. */

import { Hono } from 'hono';
import type { Resources } from '../resources.ts';
import { answer } from './answer.ts';
import { accountTotalsQuery, decisionsQuery, parseQuery, positionsQuery, tradesQuery } from './query.ts';
import {
  readAccountTotals,
  readCryptoPrices,
  readLeaderboard,
  readPositions,
  readSinceInceptionValues,
} from './read-arena.ts';
import { readAllAnalytics, readAnalytics, readConversations, readDecisions, readModels } from './read-models.ts';
import { readSource } from './read-source.ts';
import { readTrades } from './read-trades.ts';

/** Addresses of the read API with the queries they understand, for the index page. */
export const READ_ADDRESSES = [
  ['/api/crypto-prices', 'newest prices'],
  ['/api/account-totals', 'equity by the hour (lastHourlyMarker)'],
  ['/api/positions', 'open positions (limit)'],
  ['/api/trades', 'closed trades (model_id, symbol, since, limit, cursor)'],
  ['/api/since-inception-values', 'where each model began'],
  ['/api/leaderboard', 'the ranking'],
  ['/api/analytics', 'analytics of every model; /api/analytics/<model id> of one'],
  ['/api/conversations', 'what was said last'],
  ['/api/decisions', 'decision cycles (model_id, before, limit)'],
  ['/api/models', 'the participants'],
] as const;

export function readRoutes(resources: Resources): Hono {
  const routes = new Hono();
  routes.use(readSource(resources));
  routes.get('/crypto-prices', async (c) => answer(c, await readCryptoPrices(resources)));
  routes.get('/account-totals', async (c) => {
    const { lastHourlyMarker } = parseQuery(c, accountTotalsQuery);
    return answer(c, await readAccountTotals(resources, lastHourlyMarker));
  });
  routes.get('/positions', async (c) => answer(c, await readPositions(resources, parseQuery(c, positionsQuery).limit)));
  routes.get('/trades', async (c) => answer(c, await readTrades(resources, parseQuery(c, tradesQuery))));
  routes.get('/since-inception-values', async (c) => answer(c, await readSinceInceptionValues(resources)));
  // The one answer of the original that does not tell the time.
  routes.get('/leaderboard', async (c) => answer(c, await readLeaderboard(resources), { serverTime: false }));
  routes.get('/analytics', async (c) => answer(c, await readAllAnalytics(resources)));
  routes.get('/analytics/:modelId', async (c) => answer(c, await readAnalytics(resources, c.req.param('modelId'))));
  routes.get('/conversations', async (c) => answer(c, await readConversations(resources)));
  routes.get('/decisions', async (c) => answer(c, await readDecisions(resources, parseQuery(c, decisionsQuery))));
  routes.get('/models', async (c) => answer(c, await readModels(resources)));
  return routes;
}
