/** Real processes: the `nof0` command, and scripts of tests. */

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { REPO } from './paths.ts';

export type Nof0 = {
  readonly process: ChildProcess;
  readonly pid: number;
  /** Everything printed so far, both streams. */
  output(): string;
  /** What was printed to standard output so far. */
  answer(): string;
  /** Resolves when the pattern has been printed; rejects at the end of the process or the deadline, with what was printed. */
  printed(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
};

/** The variables that say where servers are. */
export function addressesOf(servers: {
  readonly databaseUrl: string;
  readonly queueRedisUrl: string;
  readonly cacheRedisUrl: string;
}): Record<'DATABASE_URL' | 'REDIS_QUEUE_URL' | 'REDIS_CACHE_URL', string> {
  return {
    DATABASE_URL: servers.databaseUrl,
    REDIS_QUEUE_URL: servers.queueRedisUrl,
    REDIS_CACHE_URL: servers.cacheRedisUrl,
  };
}

/** Starts `nof0 …args` with nothing of this process' own configuration. */
export function nof0(args: readonly string[], env: Record<string, string> = {}, cwd = REPO): Nof0 {
  return startNode([path.join(REPO, 'bin/nof0.mjs'), ...args], env, cwd);
}

/** Starts a TypeScript file of the repository, its path relative to it. */
export function script(file: string, env: Record<string, string> = {}): Nof0 {
  return startNode(['--import', 'tsx', path.join(REPO, file)], env, REPO);
}

function startNode(args: readonly string[], env: Record<string, string>, cwd: string): Nof0 {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', NOF0_LOG_FORMAT: 'json', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  let answer = '';
  const listeners = new Set<() => void>();
  const collect = (chunk: Buffer) => {
    text += chunk.toString('utf8');
    for (const listener of listeners) listener();
  };
  child.stdout?.on('data', (chunk: Buffer) => {
    answer += chunk.toString('utf8');
    collect(chunk);
  });
  child.stderr?.on('data', collect);
  const ended = new Promise<number | string>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown')),
  );
  return {
    process: child,
    pid: child.pid ?? -1,
    output: () => text,
    answer: () => answer,
    ended,
    printed(pattern, timeoutMs = 60_000) {
      return new Promise((resolve, reject) => {
        const finish = (settle: () => void) => {
          clearTimeout(timer);
          listeners.delete(look);
          settle();
        };
        const look = () => {
          const match = pattern.exec(text);
          if (match) finish(() => resolve(match));
        };
        const timer = setTimeout(
          () => finish(() => reject(new Error(`"${pattern}" was not printed within ${timeoutMs} ms:\n${text}`))),
          timeoutMs,
        );
        listeners.add(look);
        void ended.then((code) => {
          look();
          finish(() => reject(new Error(`ended with ${code} before "${pattern}" was printed:\n${text}`)));
        });
        look();
      });
    },
  };
}

/** Runs a command to its end. */
export async function runNof0(
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = REPO,
): Promise<{ code: number | string; output: string }> {
  const command = nof0(args, env, cwd);
  const code = await command.ended;
  return { code, output: command.output() };
}
