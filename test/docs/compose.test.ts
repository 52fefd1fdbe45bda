import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { loadConfig } from '../../src/config.ts';
import { REPO } from '../paths.ts';

const TEXT = readFileSync(path.join(REPO, 'docker-compose.yml'), 'utf8');

const serviceSchema = z.object({
  image: z.string(),
  build: z.string().optional(),
  container_name: z.string().optional(),
  restart: z.string(),
  command: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()).optional(), disable: z.boolean().optional() }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
const compose = z
  .object({ services: z.record(z.string(), serviceSchema), volumes: z.record(z.string(), z.null()) })
  .parse(parse(TEXT, { merge: true }));

type Service = z.infer<typeof serviceSchema>;

const services = Object.entries(compose.services);
const OWN = ['migrate', 'scheduler', 'worker', 'api'];
const SERVERS = ['postgres', 'redis-queue', 'redis-cache'];

function service(name: string): Service {
  const found = compose.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
}

/** The value of a flag in a command. */
function flag(name: string, of: Service): string | undefined {
  const at = of.command.indexOf(name);
  return at < 0 ? undefined : of.command[at + 1];
}

/** What compose makes of a text when every variable is set to its own name. */
const interpolated = (text: string) => text.replace(/\$\{(\w+):\?[^}]*\}/g, '$1');

describe('the compose file', () => {
  it('has the servers and the processes, and nothing else', () => {
    expect(services.map(([name]) => name).sort()).toEqual([...OWN, ...SERVERS].sort());
    for (const name of OWN) expect(service(name).command).toEqual([name]);
  });

  it('pins every image by a tag, as the Dockerfile does', () => {
    const dockerfile = readFileSync(path.join(REPO, 'Dockerfile'), 'utf8');
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image ?? '');
    expect(bases.length).toBeGreaterThan(0);
    for (const image of [...services.map(([, { image }]) => image), ...bases]) {
      expect(image).toMatch(/^[\w./-]+:[\w.-]+$/);
      expect(image).not.toMatch(/:latest$/);
    }
  });

  it('builds one image once, with the version of the package', () => {
    const { version } = z
      .object({ version: z.string() })
      .parse(JSON.parse(readFileSync(path.join(REPO, 'package.json'), 'utf8')));
    expect(new Set(OWN.map((name) => service(name).image))).toEqual(new Set([`nof0-engine:${version}`]));
    expect(services.filter(([, { build }]) => build !== undefined).map(([name]) => name)).toEqual(['migrate']);
  });

  it('publishes ports on loopback only', () => {
    const ports = services.flatMap(([, { ports: own }]) => own);
    expect(ports).toEqual(['127.0.0.1:4280:4280']);
  });

  it('lets the worker be scaled', () => {
    expect(service('worker').container_name).toBeUndefined();
    expect(service('worker').ports).toEqual([]);
  });

  it('gives every process a configuration without a fault, and the same servers', () => {
    const configs = OWN.map((name) => {
      const env = Object.fromEntries(Object.entries(service(name).environment).map(([k, v]) => [k, interpolated(v)]));
      // A folder without a .env of somebody's.
      return loadConfig({ env, cwd: tmpdir(), arenaFile: path.join(REPO, 'config/arena.yaml') });
    });
    for (const config of configs) {
      expect(config.servers).toEqual(configs[0]?.servers);
      expect(config.run).toBe('main');
    }
    expect(configs.at(-1)?.http).toMatchObject({ host: '0.0.0.0', port: 4280, publicReads: true, credentials: [] });
  });

  it('names the servers, users and passwords that the servers have', () => {
    const { environment } = service('worker');
    const database = new URL(interpolated(environment.DATABASE_URL ?? ''));
    const postgres = service('postgres').environment;
    expect(database.hostname).toBe('postgres');
    expect(database.username).toBe(postgres.POSTGRES_USER);
    expect(database.pathname).toBe(`/${postgres.POSTGRES_DB}`);
    expect(database.password).toBe(interpolated(postgres.POSTGRES_PASSWORD ?? ''));
    for (const [variable, name] of [
      ['REDIS_QUEUE_URL', 'redis-queue'],
      ['REDIS_CACHE_URL', 'redis-cache'],
    ] as const) {
      const url = new URL(interpolated(environment[variable] ?? ''));
      expect(url.hostname).toBe(name);
      expect(url.password).toBe(interpolated(flag('--requirepass', service(name)) ?? ''));
      expect(interpolated(service(name).environment.REDISCLI_AUTH ?? '')).toBe(url.password);
    }
  });

  it('gives each Redis the settings of its role', () => {
    const queue = service('redis-queue');
    expect(flag('--appendonly', queue)).toBe('yes');
    expect(flag('--appendfsync', queue)).toBe('everysec');
    expect(flag('--maxmemory-policy', queue)).toBe('noeviction');
    expect(queue.volumes).toEqual(['redis-queue:/data']);
    const cache = service('redis-cache');
    expect(flag('--appendonly', cache)).toBe('no');
    expect(flag('--maxmemory', cache)).toBe('2gb');
    expect(flag('--maxmemory-policy', cache)).toBe('volatile-lru');
    expect(cache.volumes).toEqual([]);
  });

  it('keeps what must be kept in named volumes', () => {
    const named = services
      .flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
      .filter((source) => !source.startsWith('.'));
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it('waits for what is there and can say so', () => {
    for (const [name, { depends_on }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const test = service(other).healthcheck?.test;
        if (condition === 'service_healthy') expect(test, `${name} waits for ${other}`).toBeDefined();
        else expect([condition, service(other).restart]).toEqual(['service_completed_successfully', 'no']);
      }
    }
    for (const name of OWN.filter((own) => own !== 'migrate'))
      expect(Object.keys(service(name).depends_on)).toEqual(expect.arrayContaining(['redis-queue', 'redis-cache']));
  });

  it('restarts everything but the one that ends', () => {
    for (const [name, { restart }] of services) expect(restart).toBe(name === 'migrate' ? 'no' : 'unless-stopped');
  });

  it('has no password of its own: each is demanded, and .env.example names it', () => {
    const example = readFileSync(path.join(REPO, '.env.example'), 'utf8');
    const variables = [...TEXT.matchAll(/\$\{(\w+)(:\?)?/g)];
    expect(variables.length).toBeGreaterThan(0);
    for (const [, name, demanded] of variables) {
      expect(demanded, `${name} must be demanded`).toBe(':?');
      expect(example).toMatch(new RegExp(`^#${name}=$`, 'm'));
    }
  });
});
