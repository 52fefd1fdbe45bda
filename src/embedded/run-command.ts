/** Short-lived system commands, run to their end without a shell. */

import { spawn } from 'node:child_process';

/** Numeric ids of the system user a command or server runs as. */
export type SystemUser = { readonly uid: number; readonly gid: number };

export type CommandResult = {
  /** Exit code; null when the command could not be run or was killed. */
  readonly code: number | null;
  /** Standard output and standard error, as they came. */
  readonly output: string;
};

/**
 * A small fixed environment. PG… and LC_… variables of the caller's shell would otherwise change how Postgres
 * starts and in which language it reports. Windows programs do not load without their own variables.
 */
export const PLAIN_ENVIRONMENT: Record<string, string> | undefined =
  process.platform === 'win32' ? undefined : { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/**
 * Runs a command and answers with its outcome; never rejects. With `user` it runs as that user in the plain
 * environment, because the caller's own (HOME, TMPDIR) belongs to another account.
 */
export function runCommand(
  command: string,
  args: readonly string[],
  options: { user?: SystemUser | null; cwd?: string } = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: options.cwd ?? '/',
      ...(options.user ? { uid: options.user.uid, gid: options.user.gid, env: PLAIN_ENVIRONMENT } : {}),
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** The last lines of a text, for an error message. */
export function lastLines(text: string, count = 12): string {
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
