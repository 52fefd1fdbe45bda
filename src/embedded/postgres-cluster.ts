/** The files of a new database cluster and the password that opens it. */

import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '../errors.ts';
import type { PostgresPrograms } from './postgres-binaries.ts';
import { giveTo, type PostgresHome } from './postgres-home.ts';
import { lastLines, runCommand } from './run-command.ts';

/** The role that owns everything in a run's database; the server listens on loopback only. */
export const SUPERUSER = 'postgres';

const DRAFT_PREFIX = 'postgres.new-';

/** Makes the data folder under another name first: a crash in between leaves nothing that looks finished. */
export async function createCluster(programs: PostgresPrograms, home: PostgresHome, password: string): Promise<void> {
  await removeDrafts(home.parent);
  // A name of its own, because the initdb of a killed owner may still be writing to an older draft.
  const draft = join(home.parent, `${DRAFT_PREFIX}${randomBytes(4).toString('hex')}`);
  const passwordFile = `${draft}.password`;
  await mkdir(draft, { mode: 0o700 });
  await writeFile(passwordFile, password, { mode: 0o600 });
  try {
    await Promise.all([draft, passwordFile].map((path) => giveTo(home.user, path)));
    const access = ['-U', SUPERUSER, '-A', 'scram-sha-256', `--pwfile=${passwordFile}`];
    // Postgres' own C.UTF-8: the same order on every system, also where the C library has no such locale.
    const locale = ['-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
    const result = await runCommand(programs.initdb, ['-D', draft, ...access, ...locale], { user: home.user });
    if (result.code !== 0) {
      throw new CodedError('NOF0_SERVER_START', `initdb failed:\n${lastLines(result.output)}`);
    }
    await rename(draft, home.data);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

async function removeDrafts(parent: string): Promise<void> {
  const drafts = (await readdir(parent)).filter((name) => name.startsWith(DRAFT_PREFIX));
  await Promise.all(drafts.map((name) => rm(join(parent, name), { recursive: true, force: true, maxRetries: 5 })));
}

/** The run's password, made at its first start and kept in a file that only we can read. */
export async function readPassword(dir: string, home: PostgresHome): Promise<string> {
  const path = join(dir, 'postgres.password');
  if (existsSync(path)) return (await readFile(path, 'utf8')).trim();
  if (existsSync(home.data)) {
    throw new CodedError(
      'NOF0_SERVER_START',
      `${path} is gone, so nobody can log in to ${home.data}. Restore the file.`,
    );
  }
  const password = randomBytes(24).toString('hex');
  await writeFile(`${path}.new`, `${password}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
  return password;
}
