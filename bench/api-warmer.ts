/**
 * Keeps the keys warm as the workers of a run do: in a process of its own, so that it stands in the way of neither the API nor the one
 * who measures it. Told by a message which run.
 */

import type { Start } from './api-server.ts';
import { openBench, say } from './stage.ts';

/** Keys live for seconds; a run of the platform writes them again all the time, and so does this one. */
const REFRESH_MS = 1000;

process.once('message', async ({ servers, dir }: Pick<Start, 'servers' | 'dir'>) => {
  const { publisher, prices, db } = await openBench(servers, dir);
  const refresh = async () => {
    await db.query('UPDATE price_latest SET ts_ms = $1', [Date.now()]);
    await Promise.all([prices.refresh(), publisher.refresh(await publisher.allTargets())]);
  };
  await refresh();
  setInterval(() => refresh().catch((error: unknown) => say(String(error))), REFRESH_MS);
  process.send?.('warm');
});
process.once('disconnect', () => process.exit(0));
