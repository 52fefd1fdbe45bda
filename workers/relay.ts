/** The relay: takes over effects whose process died or whose try failed. Any number of relays share the work. */

import { messageOf } from '../src/errors.ts';
import type { Resources } from '../src/resources.ts';
import { type Polling, startPolling } from './poll.ts';

/** Takes over what nobody holds, every second. */
export function startRelay({ outbox, logger }: Resources): Polling {
  return startPolling(async () => {
    try {
      const found = await outbox.relay();
      if (found > 0) logger.info({ effects: found }, 'relay took over effects');
    } catch (error) {
      logger.warn({ error: messageOf(error) }, 'relay could not look for effects');
    }
  });
}
