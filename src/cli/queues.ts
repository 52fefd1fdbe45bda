/** `nof0 queues`: states and depths. */

import type { Command } from 'commander';
import { pendingEffects } from '../store/effects.ts';
import { print, printJson, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export function queuesCommand(program: Command): void {
  program
    .command('queues')
    .description('show the queues: waiting, active, delayed, failed and completed jobs, and what waits in the outbox')
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('queues');
        const [depths, effects] = await Promise.all([resources.queues.depths(), pendingEffects(resources.db)]);
        if (flags.json) {
          printJson({
            run: session.run,
            queues: depths.map(({ queue, paused, counts }) => ({ queue, paused, ...counts })),
            outbox: effects,
          });
          return;
        }
        const columns = ['waiting', 'prioritized', 'active', 'delayed', 'failed', 'completed'];
        print(
          table(
            ['queue', ...columns],
            depths.map(({ queue, paused, counts }) => [
              paused ? `${queue} (paused)` : queue,
              ...columns.map((state) => counts[state] ?? 0),
            ]),
          ),
        );
        print(
          `\nrun ${session.run}; outbox: ${effects.map((row) => `${row.count} ${row.kind} (oldest ${row.oldestMs} ms)`).join(', ') || 'empty'}`,
        );
      });
    });
}
