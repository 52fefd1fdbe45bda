/** This machine: its Node, its disk, its ports. */

import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { z } from 'zod';
import { type Finding, fault, ok, warning } from './finding.ts';

const GIB = 1024 ** 3;
const LEAST_FREE = GIB;
const FEW_FREE = 5 * GIB;
const ASK_MS = 2000;

/** Lowest minor of the majors that are supported; every newer major is. */
const NODE_VERSIONS: ReadonlyMap<number, number> = new Map([
  [20, 19],
  [22, 12],
]);
const NEWEST_LISTED = 24;

export function examineNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const isSupported = major >= NEWEST_LISTED || minor >= (NODE_VERSIONS.get(major) ?? Number.POSITIVE_INFINITY);
  const wanted = [...NODE_VERSIONS].map((parts) => parts.join('.')).join(', ');
  return isSupported
    ? ok('node', version)
    : fault('node', `${version} is not supported`, `install Node ${wanted} or ${NEWEST_LISTED} and newer`);
}

/** The disk under a folder that need not exist yet. */
export async function examineDisk(dir: string): Promise<Finding> {
  let there = dir;
  while (!existsSync(there)) there = path.dirname(there);
  const { bavail, bsize, blocks } = await statfs(there);
  return judgeDisk(there, bavail * bsize, blocks * bsize);
}

/** Bytes free to this user, and of the whole. */
export function judgeDisk(where: string, free: number, whole: number): Finding {
  const said = `${(free / GIB).toFixed(1)} GiB of ${(whole / GIB).toFixed(1)} GiB free under ${where}`;
  const remedy = `make room there, or put the data elsewhere (NOF0_DATA_DIR); see nof0's retention settings`;
  if (free < LEAST_FREE) return fault('disk', said, remedy);
  return free < FEW_FREE ? warning('disk', said, remedy) : ok('disk', said);
}

/** The port of the API. `fixed`: it was chosen; without that a taken one is replaced by any free one. */
export async function examinePort(host: string, port: number, fixed: boolean): Promise<Finding> {
  const problem = await whyNotListening(host, port);
  if (problem === null) return ok('http port', `${port} on ${host} is free`);
  if (problem === 'EADDRINUSE' && (await isOurs(host, port)))
    return ok('http port', `an API answers on ${host}:${port}`);
  const said =
    problem === 'EADDRINUSE'
      ? `${port} on ${host} is taken by another program`
      : `this user cannot listen on ${host}:${port} (${problem})`;
  const remedy = 'end that program, or choose another NOF0_HTTP_PORT or NOF0_HTTP_HOST';
  return fixed ? fault('http port', said, remedy) : warning('http port', `${said}; any free one is used`, remedy);
}

function whyNotListening(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

const health = z.object({ status: z.string() });

async function isOurs(host: string, port: number): Promise<boolean> {
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  try {
    const response = await fetch(`http://${name.includes(':') ? `[${name}]` : name}:${port}/healthz`, {
      signal: AbortSignal.timeout(ASK_MS),
    });
    return health.safeParse(await response.json()).success;
  } catch {
    // Whatever listens there does not speak as we do: that is the answer.
    return false;
  }
}
