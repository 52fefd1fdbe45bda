/** Finds a Redis-compatible server program, and installs one where that is possible without asking anybody. */

import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { CodedError } from '../errors.ts';
import { lastLines, runCommand } from './run-command.ts';

/** Looked for on PATH, then where Homebrew puts them on a Mac whose PATH does not say so. */
const CANDIDATES = [
  'redis-server',
  'valkey-server',
  '/opt/homebrew/bin/redis-server',
  '/opt/homebrew/bin/valkey-server',
  '/usr/local/bin/redis-server',
  '/usr/local/bin/valkey-server',
] as const;

const REMEDIES =
  'Ways out: install Redis or Valkey with the system\'s package manager (Debian and Ubuntu: "apt-get install ' +
  'redis-server", Alpine: "apk add redis", Fedora: "dnf install valkey", macOS: "brew install redis"); or set ' +
  'NOF0_REDIS_SERVER to the path of a redis-server program; or set REDIS_URL to a server that runs already.';

const POLICY_FILE = '/usr/sbin/policy-rc.d';

/**
 * The server program to run: `configured` when given, else one found on PATH, else one installed now.
 *
 * @throws NOF0_SERVER_MISSING with the ways out
 */
export async function redisProgram(
  configured: string | undefined,
  onProgress: (line: string) => void,
): Promise<string> {
  if (configured !== undefined) {
    if (await runs(configured)) return configured;
    throw missing(`NOF0_REDIS_SERVER is ${configured}, which does not run as a Redis server.`);
  }
  const found = await findProgram();
  if (found !== null) return found;
  const fault = await install(onProgress);
  const installed = fault === null ? await findProgram() : null;
  if (installed !== null) return installed;
  throw missing(`No redis-server or valkey-server was found${fault === null ? '' : `, and ${fault}`}.`);
}

async function findProgram(): Promise<string | null> {
  for (const candidate of CANDIDATES) if (await runs(candidate)) return candidate;
  return null;
}

async function runs(program: string): Promise<boolean> {
  const { code, output } = await runCommand(program, ['--version']);
  return code === 0 && /redis|valkey/i.test(output);
}

/** Installs with the system's package manager; null when that worked, else what was in the way. */
async function install(onProgress: (line: string) => void): Promise<string | null> {
  const isRoot = process.getuid?.() === 0;
  if (process.platform === 'darwin' && !isRoot) {
    return installWith('brew', [['brew', 'install', 'redis']], onProgress);
  }
  if (process.platform !== 'linux') return 'there is no way to install one on this system';
  if (!isRoot) return 'installing one needs root';
  if (existsSync('/usr/bin/apt-get')) return withServicesHeldBack(() => installWithApt(onProgress));
  if (existsSync('/sbin/apk')) return installWith('apk', [['apk', 'add', '--no-cache', 'redis']], onProgress);
  if (existsSync('/usr/bin/dnf')) return installWith('dnf', [['dnf', '-y', 'install', 'valkey']], onProgress);
  return 'no package manager is known here';
}

async function installWithApt(onProgress: (line: string) => void): Promise<string | null> {
  // RUNLEVEL 1 is the second thing, beside the policy file, that keeps the package from starting its service.
  const apt = ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-o', 'DPkg::Lock::Timeout=120'];
  const add = [...apt, 'install', '-y', '--no-install-recommends', 'redis-server'];
  const refresh = [...apt, 'update'];
  const lists = await readdir('/var/lib/apt/lists').catch(() => []);
  const hasLists = lists.some((name) => name.endsWith('_Packages') || name.endsWith('_Packages.lz4'));
  // Lists that exist may be too old to name a version the mirror still has.
  const isDone = hasLists && (await installWith('apt-get', [add], onProgress)) === null;
  const fault = isDone ? null : await installWith('apt-get', [refresh, add], onProgress);
  // Installing it for ourselves must not bring a second server on port 6379 at the next boot.
  if (fault === null && existsSync('/run/systemd/system')) {
    await runCommand('systemctl', ['disable', 'redis-server']);
  }
  return fault;
}

/** Runs the commands in order; null when all succeeded, else the last words of the one that did not. */
async function installWith(
  manager: string,
  commands: readonly (readonly string[])[],
  onProgress: (line: string) => void,
): Promise<string | null> {
  for (const command of commands) {
    onProgress(`Installing a Redis server: ${command.join(' ')}`);
    const { code, output } = await runCommand('env', command);
    if (code !== 0) return `${manager} could not install one (${lastLines(output, 4)})`;
  }
  return null;
}

/**
 * Keeps the package from starting the distribution's own service while `work` runs. A policy file that exists is
 * the administrator's and stays; ours forbids nothing but Redis, and nothing at all once this process is gone.
 */
async function withServicesHeldBack<T>(work: () => Promise<T>): Promise<T> {
  if (existsSync(POLICY_FILE)) return work();
  const script = [
    '#!/bin/sh',
    '# Temporary: keeps the redis-server package from starting its service while it is being installed.',
    `case "$*" in *redis*) kill -0 ${process.pid} 2>/dev/null && exit 101 ;; esac`,
    'exit 0',
    '',
  ];
  await writeFile(POLICY_FILE, script.join('\n'), { mode: 0o755 });
  try {
    return await work();
  } finally {
    await rm(POLICY_FILE, { force: true });
  }
}

function missing(what: string): CodedError {
  return new CodedError('NOF0_SERVER_MISSING', `${what} ${REMEDIES}`);
}
