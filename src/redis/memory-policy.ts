/**
 * What the servers do when their memory is full. The queue role must refuse writes rather than forget a job; the cache role must forget
 * rather than refuse.
 */

import { CodedError, messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import { mastersOf, type ScriptedRedis } from './connections.ts';

const KEEPS_ALL = 'noeviction';

export type PolicyCheck = {
  readonly queue: ScriptedRedis;
  readonly cache: ScriptedRedis;
  /** Addresses without passwords, for messages. */
  readonly queueUrl: string;
  readonly cacheUrl: string;
  /** Workers and schedulers do not begin on a queue that forgets; whoever only reads says so and goes on. */
  readonly strict: boolean;
  readonly logger: Logger;
};

/** Throws NOF0_QUEUE_POLICY when the queue's server may forget jobs and the check is strict; anything less is a warning. */
export async function checkMemoryPolicies(check: PolicyCheck): Promise<void> {
  const { queue, cache, logger } = check;
  const [queuePolicies, cachePolicies, shared] = await Promise.all([
    policiesOf(queue, 'queue', logger),
    policiesOf(cache, 'cache', logger),
    isSameServer(queue, cache),
  ]);
  const wrong = queuePolicies.find((policy) => policy !== KEEPS_ALL);
  if (wrong !== undefined) {
    const who = shared ? 'Redis for both roles' : 'Redis (queue role)';
    const error = new CodedError(
      'NOF0_QUEUE_POLICY',
      `${who} at ${check.queueUrl} expects maxmemory-policy ${KEEPS_ALL}, found ${wrong}; ` +
        `set it with "CONFIG SET maxmemory-policy ${KEEPS_ALL}" and in the server's configuration file`,
    );
    if (check.strict) throw error;
    logger.warn({ code: error.code }, error.message);
  }
  if (!shared && cachePolicies.includes(KEEPS_ALL)) {
    logger.warn(
      { expected: 'volatile-lru', found: KEEPS_ALL },
      `Redis (cache role) at ${check.cacheUrl} refuses writes when its memory is full; set maxmemory-policy volatile-lru`,
    );
  }
}

/** The policy of each server of the role; empty where none may be asked. */
async function policiesOf(redis: ScriptedRedis, role: string, logger: Logger): Promise<string[]> {
  try {
    const answers = await Promise.all(mastersOf(redis).map((node) => node.config('GET', 'maxmemory-policy')));
    return answers.flatMap((answer) => (Array.isArray(answer) && typeof answer[1] === 'string' ? [answer[1]] : []));
  } catch (error) {
    // Hosted servers often forbid CONFIG; their operators answer for the policy then.
    logger.info({ role, error: messageOf(error) }, 'the memory policy of Redis cannot be asked for');
    return [];
  }
}

/** Whether both roles live on one server, under whatever addresses. Where INFO is forbidden they count as two. */
async function isSameServer(queue: ScriptedRedis, cache: ScriptedRedis): Promise<boolean> {
  const [one, other] = await Promise.all([queue, cache].map((redis) => runIds(redis).catch((): string[] => [])));
  return one !== undefined && other !== undefined && one.some((id) => other.includes(id));
}

async function runIds(redis: ScriptedRedis): Promise<string[]> {
  const infos = await Promise.all(mastersOf(redis).map((node) => node.info('server')));
  return infos.flatMap((info) => /^run_id:(\w+)/m.exec(info)?.[1] ?? []);
}
