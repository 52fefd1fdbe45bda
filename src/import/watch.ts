/** Follows a directory whose files change: the phase in which the original still writes them and this system reads along. */

import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { DirectoryImport, DirectoryResult } from './import-directory.ts';
import { IMPORT_KINDS, type ImportKind } from './kinds.ts';

/** How a file looked: when it changes, so does this. */
type Look = string;

const GONE: Look = 'gone';

export type WatchOptions = {
  readonly dir: string;
  readonly pollMs: number;
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
  /** After every round in which a file was read. */
  readonly onRound: (result: DirectoryResult) => void;
};

/**
 * Imports files whenever they have changed and come to rest: a file that is still being written looks different at the next poll, and
 * one that was cut off is refused whole and read again when it changes. Polls, because notifications do not reach every file system.
 */
export async function watchDirectory(directory: DirectoryImport, options: WatchOptions): Promise<void> {
  const imported = new Map<string, Look>();
  let before = new Map<string, Look>();
  while (!options.signal.aborted) {
    const now = await looks(options.dir);
    const due = (kind: ImportKind): boolean => {
      const look = now.get(kind.file);
      return look !== GONE && look === before.get(kind.file) && look !== imported.get(kind.file);
    };
    before = now;
    if (IMPORT_KINDS.some(due)) {
      const result = await directory.run({ nowMs: options.nowMs(), only: due });
      for (const { file } of [...result.files, ...result.unreadable]) imported.set(file, now.get(file) ?? GONE);
      options.onRound(result);
    }
    await rest(options.pollMs, options.signal);
  }
}

async function looks(dir: string): Promise<Map<string, Look>> {
  const entries = IMPORT_KINDS.map(async ({ file }) => {
    // A file that is being replaced is not there for a moment.
    const found = await stat(path.join(dir, file), { bigint: true }).catch(() => null);
    return [file, found === null ? GONE : `${found.ino}:${found.size}:${found.mtimeNs}`] as const;
  });
  return new Map(await Promise.all(entries));
}

function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
