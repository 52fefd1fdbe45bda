/** Working on a trader beside running workers: under its lease, as a cycle does, so that the two never meet. */

import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../errors.ts';
import { type Lease, releaseLease, renewLease, takeLease } from '../store/leases.ts';
import { seizeLease, sendingUntilMs } from '../store/trader-lease.ts';
import type { Stories } from './context.ts';
import { marketNow } from './market-now.ts';

const POLL_MS = 100;
const RENEWAL_MS = 3000;

export type LeaseWish = {
  /** How long a cycle in flight may take to end. */
  readonly waitMs: number;
  /** After that the lease is taken from a cycle that has not sent anything. Only of a trader that is held. */
  readonly seize: boolean;
};

/**
 * Waits for the cycle in flight, then works under the lease, renewed until the work ends. Throws NOF0_TRADER_BUSY when the cycle does
 * not end in time. Orders of a cycle whose process died may still be on their way: they are waited for, too, until they expire.
 */
export async function underLease<T>(
  stories: Stories,
  modelId: string,
  wish: LeaseWish,
  work: (lease: Lease) => Promise<T>,
): Promise<T> {
  const lease = await obtain(stories, modelId, wish);
  const timer = setInterval(() => {
    // A lease that is lost lets a cycle begin; of a held trader it only records that it is held.
    renewLease(stories.db, lease).catch(() => stories.metrics.swallowed.inc({ reason: 'lease_renewal' }));
  }, RENEWAL_MS);
  try {
    await untilExpired(stories, modelId, wish.waitMs);
    return await work(lease);
  } finally {
    clearInterval(timer);
    await releaseLease(stories.db, lease);
  }
}

async function obtain({ db }: Stories, modelId: string, { waitMs, seize }: LeaseWish): Promise<Lease> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const lease = await takeLease(db, modelId);
    if (lease !== null) return lease;
    if (performance.now() >= deadline) break;
    await sleep(POLL_MS);
  }
  const seized = seize ? await seizeLease(db, modelId) : null;
  if (seized !== null) return seized;
  throw new CodedError(
    'NOF0_TRADER_BUSY',
    `a cycle of "${modelId}" did not end within ${waitMs} ms${seize ? ' and its orders are on their way' : ''}; try again, or with a longer --wait`,
  );
}

async function untilExpired(stories: Stories, modelId: string, waitMs: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const untilMs = await sendingUntilMs(stories.db, modelId);
    if (untilMs === null || (await marketNow(stories)) > untilMs) return;
    // A replay's clock stands still without its workers; there a request that did not arrive is gone with its process.
    if (performance.now() >= deadline) return;
    await sleep(POLL_MS);
  }
}
