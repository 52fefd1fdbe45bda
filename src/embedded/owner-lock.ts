/**
 * Exclusive ownership of a run's folder. The lock file names the owner by pid and start time, so it outlives a
 * `kill -9` harmlessly: the next process sees that the owner is dead and takes over.
 */

import { randomBytes } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '../errors.ts';
import { identifyProcess, isRunning, type ProcessId, processIdSchema } from './processes.ts';

const LOCK_FILE = 'owner.lock';
const TAKEOVER_FILE = 'owner.lock.takeover';
const ATTEMPTS = 200;

export type OwnerLock = { readonly owner: ProcessId; release(): Promise<void> };

/**
 * Makes this process the owner of `dir`.
 *
 * @throws NOF0_RUN_BUSY (details: pid) when a living process, this one included, owns it
 */
export async function acquireOwnerLock(dir: string): Promise<OwnerLock> {
  const path = join(dir, LOCK_FILE);
  const self = identifyProcess(process.pid) ?? { pid: process.pid, startTicks: null };
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    if (await createExclusively(path, self)) return { owner: self, release: () => rm(path, { force: true }) };
    const holder = await readHolder(path);
    if (holder !== null && isRunning(holder)) throw busy(dir, holder.pid);
    await removeStale(path, join(dir, TAKEOVER_FILE), self);
  }
  throw new CodedError('NOF0_RUN_BUSY', `Others keep taking ${path}; look which process uses the folder.`);
}

/**
 * Removes the lock of a dead owner. Two processes that both saw it dead must not both remove: the slower one would
 * remove the lock of the faster one. So removal has a lock of its own, and looks again while holding it.
 */
async function removeStale(path: string, takeover: string, self: ProcessId): Promise<void> {
  if (!(await createExclusively(takeover, self))) {
    const remover = await readHolder(takeover);
    if (remover === null || !isRunning(remover)) await rm(takeover, { force: true });
    await sleep(5);
    return;
  }
  try {
    const holder = await readHolder(path);
    if (holder === null || !isRunning(holder)) await rm(path, { force: true });
  } finally {
    await rm(takeover, { force: true });
  }
}

/** Creates the file with its whole content in one step, so that nobody ever reads it half-written; false when it exists. */
async function createExclusively(path: string, self: ProcessId): Promise<boolean> {
  const draft = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await writeFile(draft, `${JSON.stringify(self)}\n`, { mode: 0o644, flag: 'wx' });
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Who a lock file names; null when it is gone or was damaged, for example by a full disk. */
async function readHolder(path: string): Promise<ProcessId | null> {
  try {
    return processIdSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const known = error instanceof SyntaxError || (error instanceof Error && error.name === 'ZodError');
    const gone = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (known || gone) return null;
    throw error;
  }
}

function busy(dir: string, pid: number): CodedError {
  const who = pid === process.pid ? `this process (pid ${pid})` : `process ${pid}`;
  return new CodedError(
    'NOF0_RUN_BUSY',
    `The run in ${dir} is held by ${who}. Stop that one first, or start another run with --run NAME.`,
    { details: { pid, dir } },
  );
}
