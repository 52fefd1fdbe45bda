/** The process that listens to a market. Any number may run: one holds the feed, the others wait for it to be free. */

import { setTimeout as sleep } from 'node:timers/promises';
import { refresh } from '../src/domain/published-keys.ts';
import type { Stories } from '../src/engine/context.ts';
import { PricePusher } from '../src/engine/push-prices.ts';
import { CodedError, messageOf } from '../src/errors.ts';
import { jobLock } from '../src/redis/lock.ts';
import type { Resources } from '../src/resources.ts';
import { ingestCursor, saveAssets } from '../src/store/market.ts';

/** A holder that dies is followed within this. */
const LOCK_MS = 10_000;
const RETRY_MS = 1000;

export type RunningFeed = {
  /** Whether this process holds the feed. */
  holds(): boolean;
  stop(): Promise<void>;
};

/** Begins to stand for election. Throws NOF0_INPUT_INVALID for a market that has no feed. */
export function startFeed(resources: Resources, stories: Stories, lockMs = LOCK_MS): RunningFeed {
  if (stories.market.openFeed === undefined)
    throw new CodedError('NOF0_INPUT_INVALID', `a ${stories.market.provider} market has no feed: it is polled`);
  const stopping = new AbortController();
  let holding = false;
  const pause = () =>
    sleep(Math.min(RETRY_MS, lockMs), undefined, { signal: stopping.signal }).catch((error: unknown) => {
      if (!stopping.signal.aborted) throw error;
    });
  const run = async () => {
    while (!stopping.signal.aborted) {
      await hold(resources, stories, lockMs, stopping.signal, (held) => {
        holding = held;
      }).catch((error: unknown) => {
        resources.metrics.swallowed.inc({ reason: 'feed' });
        resources.logger.warn({ error: messageOf(error) }, 'the feed begins again');
      });
      if (!stopping.signal.aborted) await pause();
    }
  };
  const ended = run();
  return {
    holds: () => holding,
    async stop() {
      stopping.abort();
      await ended;
    },
  };
}

/** Holds the feed until it is lost or stopped; returns at once when another process has it. */
async function hold(
  resources: Resources,
  stories: Stories,
  lockMs: number,
  stop: AbortSignal,
  tell: (held: boolean) => void,
): Promise<void> {
  const { market, db } = stories;
  const lost = new AbortController();
  const key = resources.keys.feedLock(market.provider);
  const lock = jobLock(resources.queueRedis, key, lockMs, () => lost.abort());
  if (!(await lock.tryAcquire())) return;
  tell(true);
  const source = `${resources.worker}-${Date.now()}`;
  const pusher = new PricePusher(stories, { source });
  try {
    // Rows of symbols that nobody has registered would be refused.
    const keys = [refresh('marketAsset', market.provider)];
    await stories.drain(await saveAssets(db, market.provider, await market.assets(), keys));
    // What another process held back in its last moments comes again from here.
    const fromMs = (await ingestCursor(db, market.provider))?.watermarkMs || null;
    const feed = await market.openFeed?.(pusher, fromMs);
    resources.logger.info({ provider: market.provider }, 'this process holds the feed');
    await either(stop, lost.signal);
    await feed?.close();
  } finally {
    tell(false);
    await pusher.close();
    await lock.release();
  }
}

function either(...signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    }
  });
}
