/** `nof0 replay`: a recorded cycle, judged and sized again. */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { zodFaults } from '../config.ts';
import { type JournalRecord, journalSchema } from '../domain/journal.ts';
import { type ReplayedCycle, replayCycle } from '../domain/replay-cycle.ts';
import { CodedError, messageOf } from '../errors.ts';
import { CYCLE_ARGUMENT, findCycle } from './cycle.ts';
import { badFlag, moment, print, printJson, shorten, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const VALUE_LENGTH = 60;

type Flags = CommonFlags & { readonly file?: string; readonly json?: boolean };

export function replayCommand(program: Command): void {
  program
    .command('replay')
    .description('judge and size a recorded cycle again, on exactly its inputs; exits 1 when something differs')
    .argument('[cycle]', CYCLE_ARGUMENT)
    .option('--file <file>', 'a journal file instead; needs no servers')
    .option('--json', 'as JSON')
    .action(async (text: string | undefined, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      if ((text === undefined) === (flags.file === undefined))
        throw badFlag('replay', 'either a cycle or --file', [text, flags.file].filter(Boolean).join(' and '));
      const replayed = replay(flags.file === undefined ? await stored(flags, text ?? '') : readJournal(flags.file));
      if (flags.json) printJson(replayed);
      else report(replayed);
      if (replayed.differences.length > 0) process.exitCode = 1;
    });
}

function stored(flags: Flags, text: string): Promise<JournalRecord> {
  return withSession(flags, {}, async (session) => findCycle((await session.resources('replay')).db, text));
}

function readJournal(file: string): JournalRecord {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw badFlag('--file', `a journal file (${messageOf(error)})`, file);
  }
  const record = journalSchema.safeParse(value);
  if (record.success) return record.data;
  throw new CodedError('NOF0_INPUT_INVALID', `${file} is no journal file of this version`, {
    faults: zodFaults(record.error, file),
  });
}

function replay(record: JournalRecord): ReplayedCycle {
  try {
    return replayCycle(record);
  } catch (error) {
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `cycle ${record.id} cannot be judged by this version's rules: ${messageOf(error)}`,
      { cause: error },
    );
  }
}

function report({ id, model, slotMs, cycleNumber, note, rejected, orders, differences }: ReplayedCycle): void {
  print(`cycle ${id}: decision ${cycleNumber} of ${model} at ${moment(new Date(slotMs))}`);
  if (note !== null) print(`not compared: ${note}`);
  if (differences.length === 0) {
    print(`no difference: ${rejected} rejected, ${orders} orders`);
    return;
  }
  const shown = (value: unknown) => (value === null ? '-' : shorten(JSON.stringify(value), VALUE_LENGTH));
  print(
    table(
      ['', 'recorded', 'now'],
      differences.map((each) => [each.what, shown(each.recorded), shown(each.now)]),
    ),
  );
}
