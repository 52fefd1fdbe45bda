/**
 * Which system user Postgres runs as, and where its data lies. Postgres refuses to run as root; the user it gets
 * then may be unable to enter the run's folder (a clone in /root, a temporary folder with mode 0700). Opening other
 * people's folders is not ours to do, so in that case the data moves to a place of its own and a note says where.
 */

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, lstat, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '../errors.ts';
import { runCommand, type SystemUser } from './run-command.ts';

const NOTE_FILE = 'postgres.location';
const SYSTEM_BASE = '/var/lib/nof0';

export type PostgresHome = {
  /** The data folder; it may not exist yet. */
  readonly data: string;
  /** An existing folder around it that the user can enter. */
  readonly parent: string;
  /** Who to run as; null means: as we are. */
  readonly user: SystemUser | null;
};

/**
 * Finds or chooses the home of the database of the run in `dir` (a real path).
 *
 * @param discard called before the data of a deleted run of the same path is removed, to stop what may run there
 * @throws NOF0_SERVER_START when data exists where its user cannot reach it, or belongs to another run
 */
export async function postgresHome(dir: string, discard: (data: string) => Promise<void>): Promise<PostgresHome> {
  const own = join(dir, 'postgres');
  const noted = await readNote(dir);
  const user = process.getuid?.() === 0 ? await serverUser(noted ?? own) : null;
  if (noted !== null) return notedHome(dir, noted, user);
  if (user === null || (await canEnter(dir, user))) return { data: own, parent: dir, user };
  if (existsSync(own)) {
    const message =
      `The database in ${own} cannot be reached by its system user (uid ${user.uid}), because a folder above it is ` +
      'closed to that user. Open the folder, or move the run to another one.';
    throw new CodedError('NOF0_SERVER_START', message);
  }
  const parent = join(await sharedRoot(), runKey(dir));
  const data = join(parent, 'postgres');
  if (existsSync(data)) {
    // No note names it: its run was deleted together with the only copy of its password.
    await discard(data);
    await rm(parent, { recursive: true });
  }
  await writeFile(join(dir, NOTE_FILE), `${data}\n`);
  await mkdir(parent, { recursive: true, mode: 0o755 });
  await chmod(parent, 0o755);
  return { data, parent, user };
}

/** A folder of root's that every user can enter, for what cannot stay in the run's folder. */
export async function sharedRoot(): Promise<string> {
  for (const base of [SYSTEM_BASE, join(tmpdir(), 'nof0')]) {
    try {
      await mkdir(base, { recursive: true, mode: 0o755 });
      const found = await lstat(base);
      // In a folder open to all, somebody else may have been there first.
      if (!found.isDirectory() || found.uid !== process.getuid?.()) continue;
      await chmod(base, 0o755);
      return base;
    } catch (error) {
      if (base !== SYSTEM_BASE) throw error;
    }
  }
  throw new CodedError('NOF0_SERVER_START', `Neither ${SYSTEM_BASE} nor ${join(tmpdir(), 'nof0')} can be used.`);
}

/** Short, stable name of a run's folder: a hash of its real path. */
function runKey(dir: string): string {
  return createHash('sha256').update(dir).digest('hex').slice(0, 12);
}

async function readNote(dir: string): Promise<string | null> {
  const note = join(dir, NOTE_FILE);
  if (!existsSync(note)) return null;
  return (await readFile(note, 'utf8')).trim();
}

/** The noted home, unless the run's folder was copied or moved: two runs must never share one database. */
async function notedHome(dir: string, data: string, user: SystemUser | null): Promise<PostgresHome> {
  const parent = join(data, '..');
  if (!data.endsWith(join(runKey(dir), 'postgres'))) {
    const message =
      `${join(dir, NOTE_FILE)} names ${data}, the database of a run in another folder: this one was copied or moved. ` +
      'Move it back, or delete the note to begin with an empty database.';
    throw new CodedError('NOF0_SERVER_START', message);
  }
  if (user === null) {
    const message = `The database in ${data} was made by root. Go on as root, or delete the run to begin anew.`;
    throw new CodedError('NOF0_SERVER_START', message);
  }
  await mkdir(parent, { recursive: true, mode: 0o755 });
  return { data, parent, user };
}

/** Existing data keeps its owner, so that a run used once through sudo still works without; new data gets a user. */
async function serverUser(data: string): Promise<SystemUser> {
  if (existsSync(data)) {
    const { uid, gid } = await stat(data);
    if (uid !== 0) return { uid, gid };
  }
  const existing = await findUser('postgres');
  if (existing !== null) return existing;
  await createPostgresUser();
  const user = (await findUser('postgres')) ?? (await findUser('nobody'));
  if (user !== null) return user;
  throw new CodedError('NOF0_SERVER_START', 'Postgres does not run as root, and no user "postgres" could be created.');
}

async function findUser(name: string): Promise<SystemUser | null> {
  const [uid, gid] = await Promise.all([runCommand('id', ['-u', name]), runCommand('id', ['-g', name])]);
  if (uid.code !== 0 || gid.code !== 0) return null;
  return { uid: Number(uid.output.trim()), gid: Number(gid.output.trim()) };
}

/** Tries useradd and, where there is none (Alpine), adduser; a failure leaves the user `nobody` to be used. */
async function createPostgresUser(): Promise<void> {
  const home = ['--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin'];
  const made = await runCommand('useradd', ['--system', '--user-group', '--no-create-home', ...home, 'postgres']);
  if (made.code !== 0) await runCommand('adduser', ['-S', '-D', '-H', '-s', '/sbin/nologin', 'postgres']);
}

async function canEnter(dir: string, user: SystemUser): Promise<boolean> {
  return (await runCommand('/bin/sh', ['-c', 'test -x "$0"', dir], { user })).code === 0;
}

/** Hands a file or folder to the server's user; nothing to do when we run it ourselves. */
export async function giveTo(user: SystemUser | null, path: string): Promise<void> {
  if (user === null || (await stat(path)).uid === user.uid) return;
  const result = await runCommand('chown', ['-R', `${user.uid}:${user.gid}`, path]);
  if (result.code !== 0) {
    throw new CodedError('NOF0_SERVER_START', `${path} could not be given to uid ${user.uid}: ${result.output}`);
  }
}
