/** Everything that a run needs, looked at without changing anything: what is wrong, and what to do about it. */

import type { Config } from '../config.ts';
import { describedServers } from '../embedded/servers.ts';
import { type RunServers, runDir, sharedServers } from '../run.ts';
import { type Finding, ok, skipped } from './finding.ts';
import { examineDisk, examineNode, examinePort } from './machine.ts';
import { examineServers } from './servers.ts';

/** `run`: whose servers are looked at. */
export async function examine(config: Config, run: string, defaultPort: number): Promise<Finding[]> {
  const { host, port } = config.http;
  const machine = await Promise.all([
    examineNode(process.version),
    examineDisk(config.dataDir),
    ...(port === 0 ? [] : [examinePort(host, port ?? defaultPort, port !== null)]),
  ]);
  const servers = await serversOf(config, run);
  const found =
    servers === null
      ? [skipped('servers', `nobody has brought up run "${run}"`, 'bring it up with: npm start')]
      : await examineServers(servers);
  return [ok('configuration', `${config.arena.models.length} models`), stockData(config), ...machine, ...found];
}

/** Whether the equities desk could be run on the real market. The key is not tried: that would cost of its limit. */
function stockData({ stockData: { key, url } }: Config): Finding {
  const check = 'stock data';
  if (key !== null) return ok(check, `a key is set${url === null ? '' : ` for ${url}`}`);
  const remedy = 'needed by `nof0 up --desk equities --market api` alone: APCA_API_KEY_ID and APCA_API_SECRET_KEY';
  return skipped(check, 'no key is set', remedy);
}

async function serversOf(config: Config, run: string): Promise<RunServers | null> {
  return config.servers === null
    ? describedServers(runDir(config, run))
    : sharedServers({ ...config, servers: config.servers }, run);
}
