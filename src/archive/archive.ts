/**
 * Retention: days that are old enough go into a file, the file is read again and compared, and only then the rows go. Every step may be
 * the last one of its process: what is listed as written is gone on with, what is not listed is done again.
 */

import { CodedError, messageOf } from '../errors.ts';
import type { Archive, ArchiveKind } from '../store/archives.ts';
import * as store from '../store/archives.ts';
import type { Database } from '../store/database.ts';
import { crossing } from '../telemetry/boundaries.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import {
  type FileFacts,
  readArchiveFile,
  removeArchiveFile,
  removeLeftovers,
  writeArchiveFile,
} from './archive-file.ts';

export type ArchiveNeeds = {
  readonly db: Database;
  /** Folder of the files. */
  readonly dir: string;
  /** Ms of market time that rows stay. */
  readonly retention: Readonly<Record<ArchiveKind, number>>;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

export type Archived = { readonly days: number; readonly rows: number; readonly complete: boolean };

/** No process works on a file for that long before it lists it. */
const LEFTOVER_MS = 86_400_000;

/** Archives what is due at `nowMs`, a day of a kind after the other, for `mostMs` at most (the day that was begun is finished). */
export async function archiveDue(
  needs: ArchiveNeeds,
  nowMs: number,
  signal: AbortSignal,
  mostMs = Number.POSITIVE_INFINITY,
): Promise<Archived> {
  const endMs = performance.now() + mostMs;
  // Listed first: a file that is listed later is young.
  const listed = await store.listArchives(needs.db);
  await removeLeftovers(needs.dir, new Set(listed.map(({ file }) => file)), LEFTOVER_MS);
  let [days, rows] = [0, 0];
  for (const kind of store.ARCHIVE_KINDS) {
    for (;;) {
      signal.throwIfAborted();
      if (performance.now() > endMs) return { days, rows, complete: false };
      const archive = await nextArchive(needs, kind, nowMs, signal);
      if (archive === null) break;
      if (archive === 'nothing' || !(await finish(needs, archive))) continue;
      days += 1;
      rows += countRows(archive);
      needs.metrics.archivedRows.inc({ kind }, countRows(archive));
    }
  }
  return { days, rows, complete: true };
}

/** What a process before this one has written and not finished, else the oldest day that is due; `nothing`: another has just done it. */
async function nextArchive(
  { db, dir, retention }: ArchiveNeeds,
  kind: ArchiveKind,
  nowMs: number,
  signal: AbortSignal,
): Promise<Archive | 'nothing' | null> {
  const written = await store.writtenArchive(db, kind);
  if (written !== null) return written;
  const due = nowMs - retention[kind];
  const fromMs = await store.oldestDay(db, kind, due - (due % store.DAY_MS));
  if (fromMs === null) return null;
  const stem = `${kind}-${new Date(fromMs).toISOString().slice(0, 10)}`;
  const facts = await crossing(`write archive ${kind}`, () =>
    writeArchiveFile(dir, stem, (take) =>
      store.exportDay(db, kind, fromMs, async (table, lines) => {
        signal.throwIfAborted();
        await take(table, lines);
      }),
    ),
  );
  if (countRows(facts) === 0) {
    await removeArchiveFile(dir, facts.file);
    await store.dropEmptyDay(db, kind, fromMs);
    return 'nothing';
  }
  const listed = await store.addArchive(db, { kind, fromMs, toMs: fromMs + store.DAY_MS, ...facts });
  if (listed !== null) return listed;
  // Another process was faster.
  await removeArchiveFile(dir, facts.file);
  return (await store.writtenArchive(db, kind)) ?? 'nothing';
}

/** Removes the rows of a file that holds them. False: another process has. */
async function finish(needs: ArchiveNeeds, archive: Archive): Promise<boolean> {
  const { db, logger } = needs;
  const facts = await readAgain(needs, archive);
  if (facts === null) return giveUp(needs, archive, 'its file is missing or broken');
  const result = await store.removeArchived(db, archive, facts.tables);
  if (result === 'differs') return giveUp(needs, archive, 'the rows are not those of its file any more');
  const { kind, file, fromMs } = archive;
  if (result === 'removed') logger.info({ kind, file, fromMs, rows: countRows(archive) }, 'archived');
  return result === 'removed';
}

/** What the file holds, if it is the one that was written. */
async function readAgain({ dir, logger }: ArchiveNeeds, { file, sha256 }: Archive): Promise<FileFacts | null> {
  try {
    const facts = await crossing('read archive', () => readArchiveFile(dir, file));
    return facts.sha256 === sha256 ? facts : null;
  } catch (error) {
    logger.warn({ file, error: messageOf(error) }, 'an archive file cannot be read');
    return null;
  }
}

/** Nothing has been removed. A first file is written anew by the next try; one that rows were removed for before is left to people. */
async function giveUp({ db, dir, metrics }: ArchiveNeeds, archive: Archive, why: string): Promise<never> {
  metrics.archiveFaults.inc({ kind: archive.kind });
  const name = `archive ${archive.id} (${archive.file})`;
  if (archive.removedAt !== null)
    throw new CodedError('NOF0_ARCHIVE_DIFFERS', `${name} cannot be finished: ${why}; its rows stay`);
  if (await store.forgetArchive(db, archive.id)) await removeArchiveFile(dir, archive.file);
  throw new CodedError('NOF0_ARCHIVE_BROKEN', `${name} is written again: ${why}`);
}

/**
 * Brings the rows of a file back. They stay until the archive is released.
 *
 * @throws CodedError NOF0_ARCHIVE_BROKEN when the file is not what was written, NOF0_INPUT_INVALID when its rows are not gone
 */
export async function restoreArchive(needs: Pick<ArchiveNeeds, 'db' | 'dir' | 'logger'>, id: number): Promise<number> {
  const { db, dir } = needs;
  const archive = await store.findArchive(db, id);
  if (archive === null || archive.state !== 'removed')
    throw new CodedError('NOF0_INPUT_INVALID', `there is no archive ${id} whose rows are gone; see nof0 archive list`);
  const tables = store.tablesOf(archive.kind);
  const facts = await readAgain(needs as ArchiveNeeds, archive);
  if (facts === null || Object.keys(facts.tables).some((table) => !tables.includes(table)))
    throw new CodedError('NOF0_ARCHIVE_BROKEN', `${archive.file} is missing, or not the file that was written`);
  const came = await store.restoreArchived(db, archive, async (put) => {
    await readArchiveFile(dir, archive.file, put);
  });
  if (came === null)
    throw new CodedError('NOF0_INPUT_INVALID', `archive ${id} has just been restored by somebody else`);
  return came;
}

export const countRows = ({ tables }: Pick<Archive, 'tables'>): number =>
  Object.values(tables).reduce((sum, { rows }) => sum + rows, 0);
