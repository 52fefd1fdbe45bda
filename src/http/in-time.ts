/** Deadlines of probes. */

import { setTimeout as sleep } from 'node:timers/promises';

/** How long a probe waits for a server. One that hangs is worse than one that says no. */
const CHECK_TIMEOUT_MS = 1500;

/** The result of `work`, or an error when it takes longer than a probe may. The work itself goes on. */
export async function inTime<T>(work: Promise<T>, timeoutMs = CHECK_TIMEOUT_MS): Promise<T> {
  const timer = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no answer in ${timeoutMs} ms`);
  });
  // The loser of the race rejects later, when nobody listens any more.
  late.catch(() => undefined);
  work.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}
