/** How an attempt is kept within its limits. */

export type Limits = {
  /** Fires when the job must stop. */
  readonly stop: AbortSignal;
  readonly timeoutMs: number;
  /** What the attempt is told to have failed with when one of both ended it. */
  readonly reason: () => Error;
};

/**
 * Runs `work` with a signal that fires with `stop` (for its reason) or when time is up (with a TimeoutError). The result is the work's, or
 * the limit's error as soon as the signal fires: work that does not listen cannot hold the job. Does what `AbortSignal.any` and
 * `AbortSignal.timeout` do; those cost more than the rest of a short job, and their timers outlive it.
 */
export function withinLimits<T>(limits: Limits, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { stop, timeoutMs, reason } = limits;
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    const abort = (cause: unknown) => {
      controller.abort(cause);
      reject(reason());
    };
    const onStop = () => abort(stop.reason);
    const timer = setTimeout(() => abort(new DOMException(`longer than ${timeoutMs} ms`, 'TimeoutError')), timeoutMs);
    const release = () => {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
    };
    if (stop.aborted) onStop();
    else stop.addEventListener('abort', onStop, { once: true });
    work(controller.signal).then(
      (result) => {
        release();
        resolve(result);
      },
      (error: unknown) => {
        release();
        reject(error);
      },
    );
  });
}
