/** Real servers that faults can be done to, each behind a proxy whose address outlives it. */

import { cp, mkdir, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../../src/embedded/postgres.ts';
import { isRunning, type ProcessId } from '../../src/embedded/processes.ts';
import { startRedis } from '../../src/embedded/redis.ts';
import { redisProgram } from '../../src/embedded/redis-program.ts';
import { tempDir } from '../temp-dir.ts';
import { FaultProxy } from './proxy.ts';

export type ServerName = 'postgres' | 'queue' | 'cache';

type Running = { readonly url: string; readonly process: ProcessId; stop(): Promise<void> };

const silent = () => undefined;
const AOF = 'appendonlydir';

export class FaultServers {
  readonly dir: string;
  readonly proxies: Readonly<Record<ServerName, FaultProxy>>;
  readonly #running: Record<ServerName, Running>;

  private constructor(dir: string, running: Record<ServerName, Running>, proxies: Record<ServerName, FaultProxy>) {
    this.dir = dir;
    this.#running = running;
    this.proxies = proxies;
  }

  static async open(): Promise<FaultServers> {
    const dir = await realpath(await tempDir('nof0-faults-'));
    const [postgres, queue, cache] = await Promise.all([
      start(dir, 'postgres'),
      start(dir, 'queue'),
      start(dir, 'cache'),
    ]);
    const proxies = {
      postgres: await FaultProxy.open(portOf(postgres)),
      queue: await FaultProxy.open(portOf(queue)),
      cache: await FaultProxy.open(portOf(cache)),
    };
    return new FaultServers(dir, { postgres, queue, cache }, proxies);
  }

  /** Environment of a process that reaches the servers through their proxies. */
  get env(): Record<string, string> {
    return {
      NOF0_DATA_DIR: path.join(this.dir, 'data'),
      NOF0_LOG_LEVEL: 'warn',
      DATABASE_URL: this.#throughProxy('postgres'),
      REDIS_QUEUE_URL: this.#throughProxy('queue'),
      REDIS_CACHE_URL: this.#throughProxy('cache'),
    };
  }

  /** Address of a server without its proxy, for whoever looks on. */
  url(name: ServerName): string {
    return this.#running[name].url;
  }

  /** Kills a server as a power cut of its process would, and starts it again after a while. */
  async kill(name: ServerName, downMs: number, whileDown: () => Promise<void> = async () => {}): Promise<void> {
    const { process: server } = this.#running[name];
    process.kill(server.pid, 'SIGKILL');
    while (isRunning(server)) await sleep(5);
    await whileDown();
    await sleep(downMs);
    await this.#startAgain(name);
  }

  /** Shuts a server down in order and starts it again after a while. */
  async restart(name: ServerName, downMs: number): Promise<void> {
    await this.#running[name].stop();
    await sleep(downMs);
    await this.#startAgain(name);
  }

  /**
   * Kills the queue's server and brings it back with what its append-only file held so many ms before. Waits for a moment when `worth`
   * says that something of value would be lost by it.
   */
  async forgetLast(ms: number, worth: () => Promise<boolean>): Promise<void> {
    const home = path.join(this.dir, 'redis-queue');
    const kept = path.join(this.dir, 'kept-aof');
    do {
      await rm(kept, { recursive: true, force: true });
      await cp(path.join(home, AOF), kept, { recursive: true });
      await sleep(ms);
    } while (!(await worth()));
    await this.kill('queue', 0, async () => {
      await rm(path.join(home, AOF), { recursive: true });
      await mkdir(path.join(home, AOF));
      await cp(kept, path.join(home, AOF), { recursive: true });
    });
  }

  async close(): Promise<void> {
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.close()));
    await Promise.all(Object.values(this.#running).map((server) => server.stop()));
    await rm(this.dir, { recursive: true, force: true });
  }

  async #startAgain(name: ServerName): Promise<void> {
    this.#running[name] = await start(this.dir, name);
    this.proxies[name].retarget(portOf(this.#running[name]));
  }

  #throughProxy(name: ServerName): string {
    const url = new URL(this.#running[name].url);
    url.port = String(this.proxies[name].port);
    return url.toString();
  }
}

function start(dir: string, name: ServerName): Promise<Running> {
  if (name === 'postgres') return startPostgres({ dir, database: 'nof0', onProgress: silent });
  return startRedis({ dir, role: name, program: () => redisProgram(undefined, silent), onProgress: silent });
}

function portOf(server: Running): number {
  return Number(new URL(server.url).port);
}
