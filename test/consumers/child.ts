/** A consumer process that the test kills. Its settings come as JSON in the first argument. */

import { startTradeConsumer } from '../../src/consumers/trade-consumer.ts';
import { webhook } from '../../src/consumers/webhook.ts';
import { KeyRegistry } from '../../src/redis/keys.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { testConfig } from '../harness.ts';

const { queueRedisUrl, prefix, url } = JSON.parse(process.env.CHILD_SETTINGS ?? '{}') as Record<string, string>;
const config = testConfig();
await startTradeConsumer(
  {
    queueRedisUrl: queueRedisUrl ?? '',
    keys: new KeyRegistry(prefix ?? '', config.ttl),
    worker: `child:${process.pid}`,
    logger: createLogger(config.log),
    metrics: createMetrics(false),
  },
  webhook({ url: url ?? '', secret: 'a secret of this test', timeoutMs: 5000 }),
  { attempts: 5, backoffMs: 10, capMs: 20, abandonedMs: 60_000 },
  'oldest',
);
process.stdout.write('consuming\n');
