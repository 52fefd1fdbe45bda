import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Config, loadConfig } from '../../src/config.ts';
import { REPO } from '../paths.ts';

const TEXT = readFileSync(path.join(REPO, 'docker-compose.yml'), 'utf8');

const serviceSchema = z.object({
  image: z.string(),
  build: z.string().optional(),
  container_name: z.string().optional(),
  restart: z.string(),
  command: z.array(z.string()).default([]),
  profiles: z.array(z.string()).default([]),
  environment: z.record(z.string(), z.string()).default({}),
  ports: z.array(z.string()).default([]),
  volumes: z.array(z.string()).default([]),
  healthcheck: z.object({ test: z.array(z.string()).optional(), disable: z.boolean().optional() }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
});
const compose = z
  .object({ services: z.record(z.string(), serviceSchema), volumes: z.record(z.string(), z.null()) })
  .parse(parse(TEXT, { merge: true }));

const prometheusSchema = z.object({
  scrape_configs: z.array(
    z.object({
      dns_sd_configs: z.array(z.object({ names: z.array(z.string()), port: z.number() })),
    }),
  ),
});

type Service = z.infer<typeof serviceSchema>;

const services = Object.entries(compose.services);
const OWN = ['migrate', 'scheduler', 'worker', 'feed', 'api', 'backup'];
const SERVERS = ['postgres', 'redis-queue', 'redis-cache'];
const BESIDE = ['base-backup', 'prometheus', 'grafana'];
/** The port of probes and metrics of processes without an API. */
const METRICS_PORT = 9464;

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

/** What compose makes of a text when every demanded variable is set to its own name, and no other. */
const interpolated = (text: string) => text.replace(/\$\{(\w+):\?[^}]*\}/g, '$1').replace(/\$\{\w+:-([^}]*)\}/g, '$1');

/** The configuration that a process of ours has in its container. */
function configOf(name: string): Config {
  const env = Object.fromEntries(Object.entries(service(name).environment).map(([k, v]) => [k, interpolated(v)]));
  // A folder without a .env of somebody's.
  return loadConfig({ env, cwd: tmpdir(), arenaFile: path.join(REPO, 'config/arena.yaml') });
}

describe('the compose file', () => {
  it('has the servers and the processes, and nothing else', () => {
    expect(services.map(([name]) => name).sort()).toEqual([...OWN, ...SERVERS, ...BESIDE].sort());
    for (const name of OWN) expect(service(name).command[0]).toBe(name);
  });

  it('begins a run with the invented market unless told otherwise, and listens to a feed only then', () => {
    expect(service('scheduler').command.map(interpolated)).toEqual(['scheduler', '--market', 'synthetic']);
    expect(services.filter(([, { profiles }]) => profiles.length > 0).map(([name]) => name)).toEqual(['feed']);
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
    expect(ports).toEqual(['127.0.0.1:4280:4280', '127.0.0.1:9090:9090', '127.0.0.1:3000:3000']);
  });

  it('lets the worker be scaled', () => {
    expect(service('worker').container_name).toBeUndefined();
    expect(service('worker').ports).toEqual([]);
  });

  it('gives every process a configuration without a fault, and the same servers', () => {
    const configs = OWN.map(configOf);
    for (const config of configs) {
      expect(config.servers).toEqual(configs[0]?.servers);
      expect(config.run).toBe('main');
    }
    expect(configOf('api').http).toMatchObject({ host: '0.0.0.0', port: 4280, publicReads: true, credentials: [] });
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

  it('gives each Redis the file of its role, a disk of its own, and all its addresses', () => {
    for (const role of ['queue', 'cache']) {
      const { command, volumes } = service(`redis-${role}`);
      expect(command.slice(0, 2)).toEqual(['redis-server', '/etc/redis/redis.conf']);
      expect(flag('--bind', service(`redis-${role}`))).toBe('0.0.0.0');
      expect(volumes).toEqual([`redis-${role}:/data`, `./deploy/redis/${role}.conf:/etc/redis/redis.conf:ro`]);
    }
  });

  it('mounts from the repository what is there', () => {
    const sources = services.flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''));
    const own = sources.filter((source) => source.startsWith('.'));
    expect(own.length).toBeGreaterThan(0);
    for (const source of own) expect(existsSync(path.join(REPO, source)), source).toBe(true);
  });

  it('lets Prometheus and the health check reach every process that goes on running', () => {
    const jobs = prometheusSchema.parse(
      parse(readFileSync(path.join(REPO, 'deploy/prometheus/prometheus.yml'), 'utf8')),
    );
    const scraped = jobs.scrape_configs.flatMap(({ dns_sd_configs }) =>
      dns_sd_configs.flatMap(({ names, port }) => names.map((name) => [name, port] as const)),
    );
    const running = OWN.filter((name) => !['migrate', 'backup'].includes(name));
    expect(scraped.map(([name]) => name).sort()).toEqual([...running].sort());
    const dockerfile = readFileSync(path.join(REPO, 'Dockerfile'), 'utf8');
    for (const [name, port] of scraped) {
      const { http, metricsPort } = configOf(name);
      expect(name === 'api' ? http.port : metricsPort, name).toBe(port);
      expect(http.host).toBe('0.0.0.0');
      expect(service(name).healthcheck).toBeUndefined();
    }
    expect(scraped.find(([name]) => name === 'worker')?.[1]).toBe(METRICS_PORT);
    expect(dockerfile).toContain(`EXPOSE 4280 ${METRICS_PORT}`);
    const check = dockerfile.slice(dockerfile.indexOf('\nHEALTHCHECK'));
    expect(check).toContain('process.env.NOF0_METRICS_PORT || process.env.NOF0_HTTP_PORT || 4280}/healthz');
  });

  it('keeps what must be kept in named volumes', () => {
    const named = services
      .flatMap(([, { volumes }]) => volumes.map((volume) => volume.split(':')[0] ?? ''))
      .filter((source) => !source.startsWith('.'));
    expect([...new Set(named)].sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it('waits for what is there and can say so', () => {
    for (const [name, { depends_on }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const test = service(other).healthcheck?.test;
        // Processes of ours have the image's own check.
        if (condition === 'service_healthy')
          expect(test ?? OWN.includes(other), `${name} waits for ${other}`).toBeTruthy();
        else if (condition === 'service_started') expect([name, other]).toEqual(['grafana', 'prometheus']);
        else expect([condition, service(other).restart]).toEqual(['service_completed_successfully', 'no']);
      }
    }
    for (const name of OWN.filter((own) => own !== 'migrate'))
      expect(Object.keys(service(name).depends_on)).toEqual(expect.arrayContaining(['redis-queue', 'redis-cache']));
  });

  it('makes a backup a night, where the image lets its user write', () => {
    const { command, volumes } = service('backup');
    const folder = flag('--to', service('backup')) ?? '';
    expect(command.slice(0, 3)).toEqual(['backup', '--every', '24h']);
    expect(volumes).toContain(`backups:${folder}`);
    expect(readFileSync(path.join(REPO, 'Dockerfile'), 'utf8')).toMatch(new RegExp(`chown node:node .*${folder}`));
  });

  it('restarts everything but the one that ends', () => {
    for (const [name, { restart }] of services) expect(restart).toBe(name === 'migrate' ? 'no' : 'unless-stopped');
  });

  it('has no password of its own: each is demanded, and .env.example names it', () => {
    const example = readFileSync(path.join(REPO, '.env.example'), 'utf8');
    const variables = [...TEXT.matchAll(/\$\{(\w+)(:[?-])?/g)];
    expect(variables.length).toBeGreaterThan(0);
    for (const [, name = '', kind] of variables) {
      expect(kind, name).toBe(name.endsWith('PASSWORD') ? ':?' : ':-');
      expect(example).toMatch(new RegExp(`^#${name}=$`, 'm'));
    }
  });
});
