/** The relay: takes over effects whose process died or whose try failed. Any number of relays share the work. */

import { messageOf } from '../src/errors.ts';
import type { Resources } from '../src/resources.ts';

const POLL_MS = 1000;

/** Starts polling. `stop` waits for a round that is running. */
export function startRelay(resources: Resources): { stop(): Promise<void> } {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  const next = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      round = resources.outbox
        .relay()
        .then((found) => {
          if (found > 0) resources.logger.info({ effects: found }, 'relay took over effects');
        })
        .catch((error: unknown) =>
          resources.logger.warn({ error: messageOf(error) }, 'relay could not look for effects'),
        )
        .then(next);
    }, POLL_MS);
  };
  next();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await round;
    },
  };
}
