/** `nof0 failed` and `nof0 redrive`: jobs that failed for good, and running them again. */

import type { Command } from 'commander';
import { redriveLetters } from '../engine/control.ts';
import { CodedError } from '../errors.ts';
import { type DeadLetter, listDeadLetters } from '../store/dead-letters.ts';
import { withControl } from './control.ts';
import { type LetterFlags, parseCount, parseFilter, parseIds } from './flags.ts';
import { moment, note, print, printJson, shorten, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const MESSAGE_LENGTH = 80;
const DEFAULT_LIMIT = '50';

export function failedCommand(program: Command): void {
  filterOptions(program.command('failed').description('list jobs that failed for good and wait for a decision'))
    .option('--limit <n>', 'how many at most, newest first', DEFAULT_LIMIT)
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & LetterFlags & { limit: string; json?: boolean }>();
      const filter = { ...parseFilter(flags), limit: parseCount('--limit', flags.limit, 1) };
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('failed');
        const letters = await listDeadLetters(db, filter);
        if (flags.json) printJson(letters);
        else print(letters.length === 0 ? 'no failed jobs' : letterTable(letters));
      });
    });
}

export function redriveCommand(program: Command): void {
  filterOptions(program.command('redrive').description('run failed jobs again: some by their ids, or all that match'))
    .argument('[ids...]', 'numbers that `nof0 failed` shows')
    .option('--all', 'every failed job, or every one that the other flags choose')
    .action(async (texts: string[], _options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & LetterFlags & { all?: boolean }>();
      const ids = parseIds(texts);
      const filter = parseFilter(flags);
      assertChoice(
        ids,
        flags.all === true,
        Object.values(filter).some((value) => value !== undefined),
      );
      await withControl(flags, async (control) => {
        const redriven = await redriveLetters(control, flags.all ? filter : { ids });
        print(`redriven ${redriven.ids.length}${redriven.ids.length > 0 ? `: ${redriven.ids.join(', ')}` : ''}`);
        if (redriven.already.length > 0) note(`already redriven: ${redriven.already.join(', ')}`);
        if (redriven.unknown.length > 0) note(`no such failed job: ${redriven.unknown.join(', ')}`);
        if (redriven.already.length + redriven.unknown.length > 0) process.exitCode = 1;
      });
    });
}

function filterOptions(command: Command): Command {
  return command
    .option('--job <job>', 'of one job')
    .option('--model <id>', 'of one model')
    .option('--error <text>', 'with this code, or this in the message')
    .option('--since <when>', 'that failed since a moment, or since so long ago (2h)');
}

function assertChoice(ids: readonly number[], all: boolean, filtered: boolean): void {
  const refuse = (fault: string) => {
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `${fault}: give the numbers that \`nof0 failed\` shows, or --all (with --job, --model, --error, --since to narrow it)`,
    );
  };
  if (all && ids.length > 0) refuse('ids and --all exclude each other');
  if (!all && filtered) refuse('--job, --model, --error and --since go with --all');
  if (!all && ids.length === 0) refuse('nothing was chosen');
}

function letterTable(letters: readonly DeadLetter[]): string {
  return table(
    ['id', 'job', 'model', 'code', 'message', 'attempts', 'stalls', 'failed at'],
    letters.map((letter) => [
      letter.id,
      letter.job,
      letter.modelId ?? '',
      letter.errorCode,
      shorten(letter.errorMessage, MESSAGE_LENGTH),
      letter.attempts,
      letter.stalls,
      moment(letter.failedAt),
    ]),
  );
}
