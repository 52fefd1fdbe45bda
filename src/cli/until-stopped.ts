/** Waiting for the end of a long-running command: a signal, or its work being over. */

/** Resolves with `ended`, or with the name of the signal. A second signal ends the process at once. */
export async function untilStopped(ended: Promise<unknown>): Promise<string> {
  let onSignal: ((signal: NodeJS.Signals) => void) | undefined;
  const signalled = new Promise<string>((resolve) => {
    let stopping = false;
    onSignal = (signal) => {
      if (stopping) process.exit(130);
      stopping = true;
      resolve(signal);
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
  return Promise.race([signalled, ended.then(() => 'ended')]);
}
