/** `nof0 backup`: the whole database of a run and its archived rows in a folder, while the run goes on. */

import { existsSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseDuration } from '../domain/time.ts';
import { CodedError } from '../errors.ts';
import { archiveDir } from '../run.ts';
import { dump } from '../store/backup/dump.ts';
import { MANIFEST, type Manifest } from '../store/backup/manifest.ts';
import { parseCount } from './flags.ts';
import { badFlag, note, print, printJson } from './output.ts';
import { startBar } from './progress.ts';
import { type CommonFlags, type Session, withSession } from './session.ts';
import { untilStopped } from './until-stopped.ts';

type BackupFlags = CommonFlags & { to?: string; keep?: string; every?: string; json?: boolean };

/** How often a process that stays looks whether a backup is due. */
const LOOK_MS = 60_000;

export function backupCommand(program: Command): void {
  program
    .command('backup')
    .description(
      'write the whole database of the run and its archived rows into a folder, as they stand at one moment; the run may go on meanwhile',
    )
    .option('--to <dir>', 'folder of the backups, one folder each (default: backups in the folder of the run)')
    .option('--keep <n>', 'afterwards delete all but the newest n of this run')
    .option('--every <duration>', 'stay, and make one whenever the newest is older than this: 24h')
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<BackupFlags>();
      const keep = flags.keep === undefined ? null : parseCount('--keep', flags.keep, 1);
      const everyMs = flags.every === undefined ? null : parseDuration(flags.every);
      if (flags.every !== undefined && everyMs === null)
        throw badFlag('--every', 'a duration such as 24h', flags.every);
      await withSession(flags, {}, async (session) => {
        const folder = path.resolve(flags.to ?? path.join(session.dir, 'backups'));
        const once = () => backUp(session, folder, keep, flags.json ?? false);
        if (everyMs === null) await once();
        else await stay(session, folder, everyMs, once);
      });
    });
}

async function backUp(session: Session, folder: string, keep: number | null, json: boolean): Promise<void> {
  const startedAt = new Date();
  await mkdir(folder, { recursive: true });
  const dir = path.join(folder, nameOf(session.run, startedAt));
  const archive = archiveDir(session.config, session.run);
  const [newest] = (await backupsOf(session.run, folder)).slice(-1);
  const bar = startBar('backup', json);
  const manifest = await dump({
    ...{ databaseUrl: session.servers.databaseUrl, run: session.run, dir, archiveDir: archive },
    earlier: newest === undefined ? undefined : path.join(folder, newest),
    onTable: (name, rows, done, total) => bar.show(done, total, `${name}: ${rows.toLocaleString('en-US')} rows`),
  }).finally(() => bar.end());
  const { takenAt, archived, archivedMissing } = manifest;
  const files = { archived: archived.length, archivedMissing };
  if (json) printJson({ run: session.run, dir, takenAt, rows: rowsOf(manifest), ...files });
  else {
    print(dir);
    const seconds = ((Date.now() - startedAt.getTime()) / 1000).toFixed(1);
    note(`${rowsOf(manifest).toLocaleString('en-US')} rows of ${manifest.tables.length} tables in ${seconds} s`);
    if (archived.length > 0) note(`and ${archived.length} files of archived rows`);
  }
  if (keep !== null) await forgetOld(session.run, folder, keep);
  if (archivedMissing.length > 0) throw incomplete(dir, archive, archivedMissing);
}

/** The backup stands, and whoever watches must learn what it cannot bring back. */
function incomplete(dir: string, archive: string, missing: readonly string[]): CodedError {
  const names = missing.slice(0, 3).join(', ');
  return new CodedError(
    'NOF0_ARCHIVE_BROKEN',
    `${dir} is whole but for ${missing.length} files of archived rows that are missing or damaged in ${archive}: ${names}${missing.length > 3 ? ', …' : ''}`,
  );
}

async function forgetOld(run: string, folder: string, keep: number): Promise<void> {
  const old = (await backupsOf(run, folder)).slice(0, -keep);
  for (const each of old) await rm(path.join(folder, each), { recursive: true, force: true });
  if (old.length > 0) note(`deleted ${old.length} older`);
}

/** A backup that fails is said and tried again at the next look: whoever watches sees the process' lines. */
async function stay(session: Session, folder: string, everyMs: number, once: () => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const work = (async () => {
    while (!stopping.signal.aborted) {
      const newest = (await backupsOf(session.run, folder)).at(-1);
      const isDue = newest === undefined || Date.now() - momentOf(newest) >= everyMs;
      if (isDue)
        await once().catch((error: unknown) => session.logger.error({ error: String(error) }, 'backup failed'));
      await sleep(LOOK_MS, undefined, { signal: stopping.signal }).catch((error: unknown) => {
        if (!stopping.signal.aborted) throw error;
      });
    }
  })();
  await untilStopped(work);
  stopping.abort();
  await work;
}

/** `main-20261120T083000Z`. */
function nameOf(run: string, at: Date): string {
  return `${run}-${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

function momentOf(name: string): number {
  const [, y, mo, d, h, mi, s] = /(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(name) ?? [];
  return Date.parse(`${y}-${mo}-${d}T${h}:${mi}:${s}Z`);
}

/** Whole backups of the run in the folder, oldest first. */
async function backupsOf(run: string, folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const names = await readdir(folder);
  return names
    .filter((name) => name.startsWith(`${run}-`) && /^\d{8}T\d{6}Z$/.test(name.slice(run.length + 1)))
    .filter((name) => existsSync(path.join(folder, name, MANIFEST)))
    .sort();
}

const rowsOf = ({ tables }: Manifest): number => tables.reduce((sum, { rows }) => sum + rows, 0);
