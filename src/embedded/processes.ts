/**
 * Server processes that outlive the one that started them: launched into their own session, recognised again by pid
 * and start time, stopped by signal. Everything works on pids alone, so an adopted server is handled like an own one.
 */

import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CodedError } from '../errors.ts';
import { StartAgain } from './free-port.ts';
import { lastLines, runCommand, type SystemUser } from './run-command.ts';

const POLL_MS = 15;
const KILL_WAIT_MS = 5_000;

/** A process that cannot be confused with a later one of the same pid. */
export const processIdSchema = z.object({
  pid: z.int().positive(),
  /** Start time in clock ticks since boot (Linux, /proc/<pid>/stat field 22); null where it cannot be read. */
  startTicks: z.string().nullable(),
});
export type ProcessId = z.infer<typeof processIdSchema>;

/** The live process with this pid, or null. A zombie counts as dead: it holds nothing any more. */
export function identifyProcess(pid: number): ProcessId | null {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it exists and belongs to somebody else.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return null;
  }
  const stat = readProcessStat(pid);
  if (stat === null) return { pid, startTicks: null };
  return stat.state === 'Z' || stat.state === 'X' ? null : { pid, startTicks: stat.startTicks };
}

/** Whether exactly this process still runs. */
export function isRunning(id: ProcessId): boolean {
  const now = identifyProcess(id.pid);
  if (now === null) return false;
  return id.startTicks === null || now.startTicks === null || id.startTicks === now.startTicks;
}

/** The command line of a process; empty when it cannot be read. */
export async function commandLineOf(pid: number): Promise<string> {
  const own = readProc(pid, 'cmdline');
  if (own !== null) return own.replaceAll('\0', ' ').trim();
  const listed = await runCommand('ps', ['-ww', '-o', 'args=', '-p', String(pid)]);
  return listed.code === 0 ? listed.output.trim() : '';
}

/**
 * Sends `signal` and waits for the end; kills when that takes longer than `timeoutMs`.
 *
 * @throws NOF0_INTERNAL when even SIGKILL did not end it (a process stuck in the kernel)
 */
export async function stopProcess(id: ProcessId, signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
  sendSignal(id, signal);
  if (await hasEnded(id, timeoutMs)) return;
  sendSignal(id, 'SIGKILL');
  if (await hasEnded(id, KILL_WAIT_MS)) return;
  throw new CodedError('NOF0_INTERNAL', `Process ${id.pid} is still there after SIGKILL; end it by hand.`);
}

/** A server process and where its log of this start begins. */
export type Launched = { readonly id: ProcessId; readonly logFile: string; readonly logOffset: number };

/**
 * Starts a server in its own session, so that a Ctrl-C in the terminal reaches only us, who then stop it in order.
 *
 * @throws NOF0_SERVER_START when the program cannot be run
 */
export async function launchServer(options: {
  command: string;
  args: readonly string[];
  cwd: string;
  logFile: string;
  user?: SystemUser | null;
  env?: Record<string, string> | undefined;
}): Promise<Launched> {
  const log = await open(options.logFile, 'a', 0o600);
  try {
    const logOffset = (await log.stat()).size;
    const child = spawn(options.command, options.args, {
      detached: true,
      cwd: options.cwd,
      stdio: ['ignore', log.fd, log.fd],
      ...(options.env ? { env: options.env } : {}),
      ...(options.user ? { uid: options.user.uid, gid: options.user.gid } : {}),
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    return { id: identifyProcess(pid) ?? { pid, startTicks: null }, logFile: options.logFile, logOffset };
  } catch (error) {
    throw new CodedError('NOF0_SERVER_START', `${options.command} cannot be run: ${String(error)}`, { cause: error });
  } finally {
    await log.close();
  }
}

/** Log lines of a server that died for a reason that passes: its port was taken, or a predecessor is still going. */
const PASSING_FAULTS = /address already in use|pre-existing shared memory block/i;

/**
 * Waits until `probe` says that the server serves.
 *
 * @throws StartAgain when it died for a passing reason
 * @throws NOF0_SERVER_START when it died otherwise or did not serve in time; it is stopped then
 */
export async function waitUntilServing(
  name: string,
  server: Launched,
  probe: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (Date.now() < deadline) {
    // Death is looked at first: a stranger on the same port may answer, but only while ours is dying.
    if (!isRunning(server.id)) throw await deathOf(name, server);
    if (await probe()) return;
    await sleep(POLL_MS);
  }
  await stopProcess(server.id, 'SIGTERM', KILL_WAIT_MS);
  throw new CodedError(
    'NOF0_SERVER_START',
    `${name} did not serve within ${timeoutMs / 1000} s and was stopped. Its log is ${server.logFile}.`,
  );
}

async function deathOf(name: string, server: Launched): Promise<Error> {
  const tail = lastLines(await logSince(server));
  const message = `${name} ended while starting. Its log (${server.logFile}) says:\n${tail}`;
  return PASSING_FAULTS.test(tail) ? new StartAgain(message) : new CodedError('NOF0_SERVER_START', message);
}

async function logSince(server: Launched): Promise<string> {
  const log = await open(server.logFile, 'r');
  try {
    const length = Math.max(0, (await log.stat()).size - server.logOffset);
    const { buffer } = await log.read(Buffer.alloc(length), 0, length, server.logOffset);
    return buffer.toString('utf8');
  } finally {
    await log.close();
  }
}

function sendSignal(id: ProcessId, signal: NodeJS.Signals): void {
  if (!isRunning(id)) return;
  try {
    process.kill(id.pid, signal);
  } catch (error) {
    // ESRCH: it ended between the check and the signal, which is what was wanted.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

async function hasEnded(id: ProcessId, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(id)) {
    if (Date.now() >= deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}

function readProcessStat(pid: number): { state: string; startTicks: string } | null {
  const stat = readProc(pid, 'stat');
  if (stat === null) return null;
  // The second field is the program's name in brackets and may itself contain blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  return state === undefined || startTicks === undefined ? null : { state, startTicks };
}

/** A file of /proc; null where there is none: another system, a hidden process, or one that just ended. */
function readProc(pid: number, file: string): string | null {
  if (process.platform !== 'linux') return null;
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}
