/** Where the command line and the processes meet: nothing in `src` imports `workers`. */

import { main } from '../src/cli/main.ts';
import { startFeed } from './feed.ts';
import { startWorkers } from './main.ts';
import { startScheduler } from './scheduler.ts';

export async function runCli(argv: readonly string[]): Promise<void> {
  await main(argv, { startFeed, startScheduler, startWorkers });
  // Everything is closed by now; a library's forgotten timer must not keep a command alive.
  process.exit();
}
