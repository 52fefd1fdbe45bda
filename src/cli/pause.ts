/** `nof0 pause` and `nof0 resume`: queues and models. */

import type { Command } from 'commander';
import {
  type Control,
  findTargets,
  pauseModels,
  pauseQueues,
  resumeModels,
  resumeQueues,
  type Switched,
} from '../engine/control.ts';
import { withControl } from './control.ts';
import { print } from './output.ts';
import type { CommonFlags } from './session.ts';

const TARGET = 'a queue, a model, "models" (every model) or "all" (every queue)';

type Switch = (control: Control, names: readonly string[]) => Promise<Switched[]>;

export function pauseCommand(program: Command): void {
  switchCommand(program, 'pause', 'let workers leave the jobs of a queue, or a model decide nothing, until resumed', {
    queues: pauseQueues,
    models: pauseModels,
  });
}

export function resumeCommand(program: Command): void {
  switchCommand(program, 'resume', 'let a paused queue or model go on', { queues: resumeQueues, models: resumeModels });
}

function switchCommand(
  program: Command,
  name: string,
  description: string,
  does: { readonly queues: Switch; readonly models: Switch },
): void {
  program
    .command(name)
    .description(description)
    .argument('<target>', TARGET)
    .action(async (word: string, _options, command: Command) => {
      await withControl(command.optsWithGlobals<CommonFlags>(), async (control) => {
        const targets = await findTargets(control, word);
        const switched = [
          ...(await does.queues(control, targets.queues)),
          ...(await does.models(control, targets.models)),
        ];
        for (const { target, changed, state } of switched)
          print(`${target} is ${state}${changed ? ' now' : ': nothing to do'}`);
      });
    });
}
