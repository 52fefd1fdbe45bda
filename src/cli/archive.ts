/** `nof0 archive`: days of rows that have left the tables for files, and the way back. */

import type { Command } from 'commander';
import { type ArchiveNeeds, archiveDue, countRows, restoreArchive } from '../archive/archive.ts';
import { CodedError } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { listArchives, releaseArchive } from '../store/archives.ts';
import { parseCount } from './flags.ts';
import { listCommand } from './list-command.ts';
import { print } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export function archiveCommand(program: Command): void {
  const archive = program.command('archive').description('days of old rows that are kept in files: list, run, restore');
  listCommand(archive, {
    description: 'list the files',
    read: ({ db }) => listArchives(db),
    head: ['id', 'kind', 'day', 'state', 'rows', 'bytes', 'file'],
    cells: (each) => [
      ...[each.id, each.kind, new Date(each.fromMs).toISOString().slice(0, 10), each.state],
      ...[countRows(each), each.bytes, each.file],
    ],
    empty: 'nothing has been archived yet',
    below: ({ archiveDir }) => `in ${archiveDir}`,
  });
  archive
    .command('run')
    .description('archive everything that is older than its retention now, as the scheduled task does')
    .action((_options, command: Command) =>
      withNeeds(command, async (needs) => {
        const { days, rows } = await archiveDue(needs, Date.now(), new AbortController().signal);
        print(`${days} days archived, ${rows} rows`);
      }),
    );
  archive
    .command('restore')
    .description('bring the rows of files back into the tables; they stay until they are released')
    .argument('<ids...>', 'numbers that `nof0 archive list` shows')
    .action((ids: string[], _options, command: Command) =>
      withNeeds(command, async (needs) => {
        for (const id of numbers(ids)) print(`archive ${id}: ${await restoreArchive(needs, id)} rows came back`);
      }),
    );
  archive
    .command('release')
    .description('let restored rows leave again with the next run; their file stays as it is')
    .argument('<ids...>', 'numbers that `nof0 archive list` shows')
    .action((ids: string[], _options, command: Command) =>
      withNeeds(command, async ({ db }) => {
        for (const id of numbers(ids)) {
          if (!(await releaseArchive(db, id)))
            throw new CodedError('NOF0_INPUT_INVALID', `archive ${id} is not restored; see nof0 archive list`);
          print(`archive ${id} is released`);
        }
      }),
    );
}

const numbers = (ids: readonly string[]) => ids.map((id) => parseCount('<ids>', id, 1));

async function withNeeds(command: Command, work: (needs: ArchiveNeeds) => Promise<void>): Promise<void> {
  await withSession(command.optsWithGlobals<CommonFlags>(), {}, async (session) => {
    const resources: Resources = await session.resources('archive');
    const { db, archiveDir: dir, logger, metrics, config } = resources;
    if (dir === null) throw new CodedError('NOF0_INTERNAL', 'this session has no folder for archives');
    await work({ db, dir, logger, metrics, retention: config.arena.retention });
  });
}
