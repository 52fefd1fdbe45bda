/** Retention of journal files: what they hold stays in the rows and, later, in the archive. */

import type { Dirent } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

const FILE = /^cycle_(\d+)_(\d+)\.json$/;
/** What a process that died has left of a file that it was writing. */
const DRAFT = /^\.cycle_\d+_\d+\.json\..*\.tmp$/;

/**
 * Deletes files that were written before the moment (wall time: a replay writes those of past years today). Every folder is gone
 * through from its oldest slot on and left at the first file that stays, so the cost is that of what goes. Returns how many went.
 */
export async function pruneJournal(dir: string, beforeMs: number): Promise<number> {
  let gone = 0;
  for (const folder of await entries(dir)) {
    if (!folder.isDirectory()) continue;
    const own = path.join(dir, folder.name);
    const names = (await entries(own)).filter((entry) => entry.isFile()).map(({ name }) => name);
    for (const name of bySlot(names.filter((each) => FILE.test(each)))) {
      if (!(await removeOld(path.join(own, name), beforeMs))) break;
      gone += 1;
    }
    for (const name of names.filter((each) => DRAFT.test(each))) await removeOld(path.join(own, name), beforeMs);
  }
  return gone;
}

async function removeOld(file: string, beforeMs: number): Promise<boolean> {
  const found = await stat(file).catch(absent);
  // Another process of this machine was faster.
  if (found === null) return true;
  if (found.mtimeMs >= beforeMs) return false;
  await rm(file, { force: true });
  return true;
}

function bySlot(names: readonly string[]): string[] {
  const place = (name: string) => Number(FILE.exec(name)?.[1]);
  return [...names].sort((a, b) => place(a) - place(b));
}

async function entries(dir: string): Promise<Dirent[]> {
  return (await readdir(dir, { withFileTypes: true }).catch(absent)) ?? [];
}

function absent(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}
