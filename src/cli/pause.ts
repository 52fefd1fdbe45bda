/** `nof0 pause`, `nof0 resume` and `nof0 shadow`: what models and queues may do. */

import type { Command } from 'commander';
import { findModels, findTargets, pauseQueues, resumeQueues, type Switched } from '../engine/control.ts';
import { pauseModels, resumeModels, shadowModels, unshadowModels } from '../engine/control-traders.ts';
import { withControl } from './control.ts';
import { print, printJson } from './output.ts';
import type { CommonFlags } from './session.ts';

const TARGET = 'a model, "all" (every model), a queue or "queues" (every queue)';

type Flags = CommonFlags & { readonly json?: boolean };

export function pauseCommand(program: Command): void {
  program
    .command('pause')
    .description(
      'let a model decide nothing, or workers leave the jobs of a queue, until resumed; positions keep their stops',
    )
    .argument('<target>', TARGET)
    .option('--json', 'as JSON')
    .action(async (word: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      await withControl(flags, async (control) => {
        const { queues, models } = await findTargets(control, word);
        show(flags, [...(await pauseQueues(control, queues)), ...(await pauseModels(control, models))]);
      });
    });
}

export function resumeCommand(program: Command): void {
  program
    .command('resume')
    .description('let a paused model or queue go on; a halted model only by its own name')
    .argument('<target>', TARGET)
    .option('--json', 'as JSON')
    .action(async (word: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      await withControl(flags, async (control) => {
        const { queues, models } = await findTargets(control, word);
        const named = word !== 'all';
        show(flags, [...(await resumeQueues(control, queues)), ...(await resumeModels(control, models, named))]);
      });
    });
}

export function shadowCommand(program: Command): void {
  program
    .command('shadow')
    .description('let a model decide and send no orders; --off lets it trade again')
    .argument('<model>', 'a model, or "all"')
    .option('--off', 'out of the shadow')
    .option('--json', 'as JSON')
    .action(async (word: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags & { off?: boolean }>();
      await withControl(flags, async (control) => {
        const models = await findModels(control, word);
        show(flags, await (flags.off ? unshadowModels : shadowModels)(control, models));
      });
    });
}

function show(flags: Flags, switched: readonly Switched[]): void {
  if (flags.json) printJson(switched);
  else
    for (const { target, changed, state } of switched)
      print(`${target} is ${state}${changed ? ' now' : ': nothing to do'}`);
}
