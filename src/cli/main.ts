/** The `nof0` command. */

import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { JOB_NAMES } from '../jobs/registry.ts';
import { alertCommand } from './alert.ts';
import { archiveCommand } from './archive.ts';
import { askCommand } from './ask.ts';
import { backfillCommand } from './backfill.ts';
import { backtestCommand } from './backtest.ts';
import { backupCommand } from './backup.ts';
import { rebuildCacheCommand, warmCommand } from './cache.ts';
import { cancelCommand } from './cancel.ts';
import { consumeCommand } from './consume.ts';
import { deskCommand } from './desk.ts';
import { doctorCommand } from './doctor.ts';
import { enqueueCommand } from './enqueue.ts';
import { exportCommand } from './export.ts';
import { feedCommand } from './feed.ts';
import { closeCommand, flattenCommand, haltCommand } from './flatten.ts';
import { auditCommand, runsCommand } from './history.ts';
import { importCommand } from './import.ts';
import { failedCommand, redriveCommand } from './letters.ts';
import { llmCommand } from './llm.ts';
import { marketCommand } from './market.ts';
import { modelsCommand } from './models.ts';
import { printError } from './output.ts';
import { parityCommand } from './parity.ts';
import { pauseCommand, resumeCommand, shadowCommand } from './pause.ts';
import type { ProcessRoles } from './processes.ts';
import { queuesCommand } from './queues.ts';
import { recomputeCommand } from './recompute.ts';
import { replayCommand } from './replay.ts';
import { restoreCommand } from './restore.ts';
import { apiCommand, migrateCommand, schedulerCommand, workerCommand } from './roles.ts';
import { seasonCommand } from './season.ts';
import { topCommand } from './top.ts';
import { upCommand } from './up.ts';
import { verifyCommand } from './verify.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

/** The whole command line. Making it does nothing. */
export function commandLine(roles: Omit<ProcessRoles, 'queues'>): Command {
  const program = new Command('nof0')
    .description('Job-queue worker platform of the NOF0 arena.')
    .version(version)
    .option('--run <name>', 'the run to work on (default: the one that was brought up last)')
    .option('--arena <file>', 'the arena file (default: config/arena.yaml)')
    .showSuggestionAfterError()
    .showHelpAfterError('(see --help)')
    .exitOverride();
  const processes: ProcessRoles = { ...roles, queues: JOB_NAMES };
  program.commandsGroup('Run it:');
  upCommand(program, processes);
  backtestCommand(program, processes);
  schedulerCommand(program, processes);
  workerCommand(program, processes);
  feedCommand(program, processes);
  apiCommand(program);
  migrateCommand(program);
  program.commandsGroup('Watch it:');
  topCommand(program);
  queuesCommand(program);
  runsCommand(program);
  failedCommand(program);
  marketCommand(program);
  deskCommand(program);
  auditCommand(program);
  alertCommand(program);
  program.commandsGroup('Jobs:');
  enqueueCommand(program);
  redriveCommand(program);
  cancelCommand(program);
  program.commandsGroup('Models and seasons:');
  modelsCommand(program);
  pauseCommand(program);
  resumeCommand(program);
  shadowCommand(program);
  closeCommand(program);
  flattenCommand(program);
  haltCommand(program);
  seasonCommand(program);
  llmCommand(program);
  askCommand(program);
  replayCommand(program);
  program.commandsGroup('Is everything right:');
  doctorCommand(program);
  verifyCommand(program);
  recomputeCommand(program);
  rebuildCacheCommand(program);
  warmCommand(program);
  program.commandsGroup('Data in and out:');
  backfillCommand(program);
  importCommand(program);
  parityCommand(program);
  exportCommand(program);
  consumeCommand(program);
  archiveCommand(program);
  backupCommand(program);
  restoreCommand(program);
  for (const command of program.commands) command.exitOverride();
  return program;
}

/** Runs the command line. Sets the exit code: 0 done, 1 a coded error, 2 a wrong call. */
export async function main(argv: readonly string[], roles: Omit<ProcessRoles, 'queues'>): Promise<void> {
  const program = commandLine(roles);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
    } else {
      printError(error);
      process.exitCode = 1;
    }
  }
}
