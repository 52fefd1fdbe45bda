/** The servers of a run: whether they answer, are new enough, keep what they must keep, and tell the same time. */

import { examineRedis, type RedisFacts } from '../redis/examine.ts';
import type { RunServers } from '../run.ts';
import { examinePostgres } from '../store/examine.ts';
import { redactUrl } from '../telemetry/logger.ts';
import { examined, type Finding, fault, ok, warning } from './finding.ts';

/** The oldest that everything here works with. */
const POSTGRES_MAJOR = 15;
const REDIS_VERSION = [6, 2] as const;
/** Slots, leases and the fence of the keys compare times of these clocks with each other. */
const SKEW_FAULT_MS = 2000;
const SKEW_WARNING_MS = 500;

export async function examineServers({ databaseUrl, queueRedisUrl, cacheRedisUrl }: RunServers): Promise<Finding[]> {
  const [postgres, queue, cache] = await Promise.all([
    examined('postgres', 'start it, or correct DATABASE_URL', () => ofPostgres(databaseUrl)),
    redisFacts(queueRedisUrl, 'queue'),
    redisFacts(cacheRedisUrl, 'cache'),
  ]);
  return [...postgres, ...ofQueue(queue, queueRedisUrl), ...ofCache(cache, queue, cacheRedisUrl)];
}

async function ofPostgres(databaseUrl: string): Promise<Finding[]> {
  const { version, majorVersion, pending, clockAheadMs } = await examinePostgres(databaseUrl);
  const where = `Postgres ${version} at ${redactUrl(databaseUrl)}`;
  return [
    majorVersion >= POSTGRES_MAJOR
      ? ok('postgres', where)
      : fault('postgres', where, `move the database to Postgres ${POSTGRES_MAJOR} or newer`),
    pending.length === 0
      ? ok('migrations', 'the schema is that of this version')
      : fault('migrations', `${pending.length} pending: ${pending.join(', ')}`, 'run: nof0 migrate'),
    clock('postgres clock', clockAheadMs),
  ];
}

type Asked = RedisFacts | { readonly error: string };

async function redisFacts(url: string, role: 'queue' | 'cache'): Promise<Asked> {
  return examineRedis(url, role, redactUrl(url)).catch((error: unknown) => ({
    error: error instanceof Error ? error.message : String(error),
  }));
}

function ofQueue(facts: Asked, url: string): Finding[] {
  const check = 'queue redis';
  if ('error' in facts) return [fault(check, facts.error, 'start it, or correct REDIS_QUEUE_URL (REDIS_URL)')];
  const found = `at ${redactUrl(url)}`;
  const forgets = facts.policies.find((policy) => policy !== 'noeviction');
  return [
    version(check, facts, found),
    policy(
      'queue redis policy',
      facts,
      forgets === undefined ? null : `maxmemory-policy ${forgets} ${found} may forget jobs; it must be noeviction`,
      'run: redis-cli CONFIG SET maxmemory-policy noeviction, and write it into the configuration file',
    ),
    ...(facts.appendOnly === false
      ? [
          warning(
            'queue redis disk',
            `appendonly no ${found}: a restart of the server loses jobs until the outbox brings them back`,
            'run: redis-cli CONFIG SET appendonly yes, and write it into the configuration file',
          ),
        ]
      : []),
    clock('queue redis clock', facts.clockAheadMs),
  ];
}

function ofCache(facts: Asked, queue: Asked, url: string): Finding[] {
  const check = 'cache redis';
  if ('error' in facts) return [fault(check, facts.error, 'start it, or correct REDIS_CACHE_URL (REDIS_URL)')];
  const found = `at ${redactUrl(url)}`;
  const isShared = !('error' in queue) && facts.runIds.some((id) => queue.runIds.includes(id));
  const refuses = !isShared && facts.policies.includes('noeviction');
  return [
    version(check, facts, isShared ? `${found} (the queue's own server)` : found),
    policy(
      'cache redis policy',
      isShared ? { policies: ['shared with the queue'] } : facts,
      refuses ? `maxmemory-policy noeviction ${found} refuses writes when its memory is full` : null,
      'run: redis-cli CONFIG SET maxmemory-policy volatile-lru, and write it into the configuration file',
    ),
    clock('cache redis clock', facts.clockAheadMs),
  ];
}

function version(check: string, facts: RedisFacts, found: string): Finding {
  const [major = 0, minor = 0] = facts.version.split('.').map(Number);
  const [wanted, least] = REDIS_VERSION;
  const isNewEnough = major > wanted || (major === wanted && minor >= least);
  const said = `Redis ${facts.version} ${found}`;
  return isNewEnough ? ok(check, said) : fault(check, said, `upgrade it to Redis ${REDIS_VERSION.join('.')} or newer`);
}

function policy(
  check: string,
  { policies }: Pick<RedisFacts, 'policies'>,
  wrong: string | null,
  remedy: string,
): Finding {
  if (wrong !== null) return fault(check, wrong, remedy);
  if (policies.length > 0) return ok(check, [...new Set(policies)].join(', '));
  return warning(check, 'the server does not let itself be asked (CONFIG is forbidden)', 'ask its operator');
}

function clock(check: string, aheadMs: number): Finding {
  const said = `${Math.abs(aheadMs)} ms ${aheadMs < 0 ? 'behind' : 'ahead of'} this machine`;
  const remedy = 'let both machines follow one time server (chrony, systemd-timesyncd)';
  if (Math.abs(aheadMs) >= SKEW_FAULT_MS) return fault(check, said, remedy);
  return Math.abs(aheadMs) >= SKEW_WARNING_MS ? warning(check, said, remedy) : ok(check, said);
}
