/** Remembered answers of language models, in the cache role. Written once under a digest and never changed, so there is nothing to fence. */

import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { ScriptedRedis } from './connections.ts';
import type { KeyRegistry } from './keys.ts';

export class RedisResponses {
  readonly #redis: ScriptedRedis;
  readonly #keys: KeyRegistry;
  readonly #metrics: Metrics;
  readonly #logger: Logger;

  constructor(redis: ScriptedRedis, keys: KeyRegistry, metrics: Metrics, logger: Logger) {
    this.#redis = redis;
    this.#keys = keys;
    this.#metrics = metrics;
    this.#logger = logger;
  }

  /** Null when there is none, and when the cache does not answer: then the model is asked. */
  get(digest: string): Promise<string | null> {
    return this.#redis.get(this.#keys.llmResponse(digest)).catch((error: unknown) => this.#missed(error));
  }

  async set(digest: string, value: string): Promise<void> {
    await this.#redis
      .set(this.#keys.llmResponse(digest), value, 'PX', this.#keys.responseTtlMs)
      .catch((error: unknown) => this.#missed(error));
  }

  #missed(error: unknown): null {
    this.#metrics.swallowed.inc({ reason: 'llm_cache' });
    this.#logger.debug({ error: messageOf(error) }, 'the response cache does not answer');
    return null;
  }
}
