/** Journal files: one a finished cycle, beside its row. */

import { mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type JournalRecord, journalPath } from '../domain/journal.ts';

/**
 * Writes a record below the folder, whole or not at all: a reader never meets half a file, and neither does one after a crash. Written
 * again it is the same file. `writer` tells apart those that may write it at the same time. Returns the file's name.
 */
export async function writeJournal(dir: string, record: JournalRecord, writer: string): Promise<string> {
  const file = path.join(dir, journalPath(record));
  const draft = path.join(path.dirname(file), `.${path.basename(file)}.${writer}.tmp`);
  await mkdir(path.dirname(file), { recursive: true });
  try {
    const handle = await open(draft, 'w', 0o640);
    try {
      await handle.writeFile(`${JSON.stringify(record, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  return file;
}
