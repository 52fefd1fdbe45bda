/** `nof0 cancel`: end a job that waits or runs. */

import type { Command } from 'commander';
import { cancelJob } from '../engine/control-jobs.ts';
import type { Stopped } from '../jobs/desk.ts';
import { withControl } from './control.ts';
import { print } from './output.ts';
import type { CommonFlags } from './session.ts';

const SAID: Readonly<Record<Stopped, string>> = {
  withdrawn: 'taken out of its queue before it began; `nof0 failed` lists it',
  stopped: 'stopped while it ran; `nof0 failed` lists it',
  completed: 'was faster: it has completed',
  failed: 'was faster: it has failed by itself',
  gone: 'was faster: it has ended',
  running: 'still runs: no worker has let go of it yet. It stays marked and ends as soon as one does',
};

export function cancelCommand(program: Command): void {
  program
    .command('cancel')
    .description('cancel a job that waits or runs, in whatever process; it is kept as a failed job')
    .argument('<job id>', 'as logs and dashboard show it, such as snapshot_carry')
    .action(async (id: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags>();
      await withControl(flags, async (control) => {
        const { job, end } = await cancelJob(control, id);
        print(`${job.identity} (${job.queue}, was ${job.state}): ${SAID[end]}`);
        if (end !== 'withdrawn' && end !== 'stopped') process.exitCode = 1;
      });
    });
}
