/** The abort signal of an attempt. */

/**
 * A signal that fires with `stop`, for its reason, or after `timeoutMs` with a TimeoutError. `release` ends both when the attempt is over.
 * Does what `AbortSignal.any` and `AbortSignal.timeout` do; those cost more than the rest of a short job, and their timers outlive it.
 */
export function timeLimit(stop: AbortSignal, timeoutMs: number): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const onStop = () => controller.abort(stop.reason);
  if (stop.aborted) onStop();
  else stop.addEventListener('abort', onStop, { once: true });
  const timer = setTimeout(
    () => controller.abort(new DOMException(`longer than ${timeoutMs} ms`, 'TimeoutError')),
    timeoutMs,
  );
  return {
    signal: controller.signal,
    release() {
      clearTimeout(timer);
      stop.removeEventListener('abort', onStop);
    },
  };
}
