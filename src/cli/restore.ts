/** `nof0 restore`: a backup in the place of the run's database, and nothing left in Redis of what it replaces. */

import path from 'node:path';
import type { Command } from 'commander';
import { archiveDir, forgetKeys } from '../run.ts';
import { bringArchived } from '../store/backup/archive-files.ts';
import { load } from '../store/backup/load.ts';
import { type Manifest, readBackup } from '../store/backup/manifest.ts';
import { dropDatabase, replacementFor } from '../store/backup/replace.ts';
import { confirm } from './confirm.ts';
import { note, print } from './output.ts';
import { startBar } from './progress.ts';
import { type CommonFlags, type Session, withSession } from './session.ts';

type RestoreFlags = CommonFlags & { yes?: boolean; drop?: boolean };

export function restoreCommand(program: Command): void {
  program
    .command('restore')
    .description('put a backup in the place of the run; all its processes must be stopped')
    .argument('<dir>', 'a folder that `nof0 backup` has written')
    .option('--drop', 'drop the database that is replaced instead of keeping it under another name')
    .option('--yes', 'do not ask')
    .action(async (dir: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<RestoreFlags>();
      const manifest = await readBackup(path.resolve(dir));
      await withSession(flags, { exclusive: true, onProgress: note }, async (session) => {
        await confirm(`Run "${session.run}" becomes what run "${manifest.run}" was at ${manifest.takenAt}.`, flags);
        await restore(session, path.resolve(dir), manifest, flags.drop ?? false);
      });
    });
}

/**
 * Crashes leave the old run or the new one, never half of either: the rows are loaded beside the old database, Redis is emptied while
 * the old one still stands (an empty Redis loses nothing of it), and one transaction swaps the names.
 */
async function restore(session: Session, dir: string, manifest: Manifest, drop: boolean): Promise<void> {
  const { databaseUrl } = session.servers;
  const startedAt = Date.now();
  const replacement = await replacementFor(databaseUrl);
  let kept: string | null;
  try {
    await loadShown(replacement.url, dir, manifest);
    const files = await bringArchived(manifest.archived, dir, archiveDir(session.config, session.run));
    if (files > 0) note(`${files} files of archived rows`);
    await forgetKeys(session.servers, session.prefix);
    kept = await replacement.swap();
  } catch (error) {
    await replacement.discard();
    throw error;
  }
  if (kept !== null && drop) await dropDatabase(databaseUrl, kept);
  const published = await publish(session);
  print(`run ${session.run} is what run ${manifest.run} was at ${manifest.takenAt}`);
  note(`${((Date.now() - startedAt) / 1000).toFixed(1)} s; ${published} promises taken up`);
  if (kept !== null && !drop) note(`what stood there before is the database ${kept}; drop it when all is well`);
  if (manifest.archivedMissing.length > 0)
    note(`the backup lacked ${manifest.archivedMissing.length} files of archived rows; see nof0 archive list`);
  note(`check it with: nof0 verify --run ${session.run}`);
}

/** In a terminal a bar, elsewhere a line for each table. */
async function loadShown(url: string, dir: string, manifest: Manifest): Promise<void> {
  const bar = startBar('restore');
  let done = 0;
  const onTable = (table: string, rows: number) => {
    const said = `${table}: ${rows.toLocaleString('en-US')} rows`;
    done += 1;
    if (process.stderr.isTTY) bar.show(done, manifest.tables.length, said);
    else note(said);
  };
  await load(url, dir, manifest, onTable).finally(() => bar.end());
}

/** What was promised when the backup was made, and the trade stream, which lives nowhere else. Keys are filled when they are read. */
async function publish(session: Session): Promise<number> {
  const { outbox } = await session.resources('restore');
  let taken = 0;
  for (let found = await outbox.relay(); found > 0; found = await outbox.relay()) taken += found;
  return taken;
}
