/**
 * Free loopback ports. A port is only known to be free while it is held, so between finding one and the server's
 * own bind another program may take it: a start is therefore a function of the port that may be called again.
 */

import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../errors.ts';

/** Says that a start failed for a passing reason (the port was taken meanwhile) and is worth another try. */
export class StartAgain extends Error {
  override readonly name = 'StartAgain';
}

/** A TCP port on 127.0.0.1 that nobody listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const holder = createServer();
    holder.once('error', reject);
    holder.listen({ host: '127.0.0.1', port: 0 }, () => {
      const address = holder.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      holder.close(() => resolve(port));
    });
  });
}

/**
 * Calls `start` with a free port, and again with another one for as long as it throws `StartAgain`. The growing
 * pause serves the other passing reason, the leftovers of a killed server that are still going away.
 *
 * @throws NOF0_SERVER_START when no attempt succeeded; any other error of `start` as it is
 */
export async function startOnFreePort<T>(start: (port: number) => Promise<T>, attempts = 10): Promise<T> {
  let last: StartAgain | null = null;
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    if (attempt > 0) await sleep(attempt * 100);
    try {
      return await start(await freePort());
    } catch (error) {
      if (!(error instanceof StartAgain)) throw error;
      last = error;
    }
  }
  throw new CodedError('NOF0_SERVER_START', `No start out of ${attempts} succeeded. Last: ${last?.message ?? ''}`, {
    cause: last,
  });
}
