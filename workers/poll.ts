/** Looking again and again, one look after the other. */

const POLL_MS = 1000;

export type Polling = { stop(): Promise<void> };

/** Looks every second, for the first time after one. A look never rejects; `stop` waits for one that is going on. */
export function startPolling(look: () => Promise<void>): Polling {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  const next = () => {
    if (stopped) return;
    timer = setTimeout(() => {
      round = look().then(next);
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
