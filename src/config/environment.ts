/** The environment's variables, each with its default and check. This file and the arena's are the configuration reference. */

import { z } from 'zod';
import { ORIGINAL_ENDPOINTS, type OriginalEndpoint, READ_SOURCES, type ReadSource } from '../domain/original-api.ts';
import { parseClusterAddress } from '../domain/redis-address.ts';
import { addressList, credentialList, originList } from './http.ts';

const port = z.coerce.number().int().min(0).max(65_535);
const url = (protocols: string[]) =>
  z.string().refine((text) => URL.canParse(text) && protocols.includes(new URL(text).protocol), {
    message: `an address beginning with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`,
  });
/** An address that a key is sent to: in the clear it goes nowhere but to this machine. */
const keptAddress = z.string().refine(
  (text) => {
    if (!URL.canParse(text)) return false;
    const { protocol, hostname, search, username } = new URL(text);
    const isNear = ['127.0.0.1', 'localhost', '[::1]'].includes(hostname);
    return (protocol === 'https:' || (protocol === 'http:' && isNear)) && search === '' && username === '';
  },
  { message: 'an address beginning with https:// (http:// only on this machine), without a query and without a user' },
);
const headerText = z.string().regex(/^[\x21-\x7e]{8,200}$/, '8 to 200 visible characters');
const redisUrl = z
  .string()
  .refine((text) => parseClusterAddress(text) !== null || url(['redis:', 'rediss:']).safeParse(text).success, {
    message: 'an address beginning with redis:// or rediss://, or redis+cluster://host:port,host:port of a cluster',
  });
/** `compare`, or `trades:compare,leaderboard:files`: every address that is not named is answered from the store. */
const readSources = z.string().transform((text, context) => {
  const sources: Partial<Record<OriginalEndpoint, ReadSource>> = {};
  for (const part of text.split(',').map((each) => each.trim())) {
    const [first = '', second] = part.split(':');
    const source = READ_SOURCES.find((known) => known === (second ?? first));
    const endpoints = second === undefined ? ORIGINAL_ENDPOINTS : ORIGINAL_ENDPOINTS.filter((known) => known === first);
    if (source === undefined || endpoints.length === 0) {
      context.addIssue({
        code: 'custom',
        message: `${READ_SOURCES.join(', ')}, or a list of ADDRESS:SOURCE with addresses ${ORIGINAL_ENDPOINTS.join(', ')}`,
      });
      return z.NEVER;
    }
    for (const endpoint of endpoints) sources[endpoint] = source;
  }
  return sources;
});
const runName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]{0,40}$/, 'lower-case letters, digits, "-" and "_", at most 41 characters');

export const environmentFields = {
  DATABASE_URL: url(['postgres:', 'postgresql:'])
    .optional()
    .describe('Postgres. Unset: an embedded server is started.'),
  REDIS_URL: redisUrl
    .optional()
    .describe('One Redis for both roles (must be noeviction). A cluster: redis+cluster://host:port,host:port.'),
  REDIS_QUEUE_URL: redisUrl.optional().describe('Redis of the queue role: jobs, trade stream (AOF, noeviction).'),
  REDIS_CACHE_URL: redisUrl
    .optional()
    .describe('Redis of the cache role: everything that can be rebuilt (volatile-lru).'),
  NOF0_RUN: runName.optional().describe('Name of the run: own database, key prefix and folder.'),
  NOF0_DATA_DIR: z.string().min(1).default('.nof0').describe('Folder of the embedded servers, one sub-folder a run.'),
  NOF0_ARENA: z.string().min(1).default('config/arena.yaml').describe('The arena file.'),
  NOF0_REDIS_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,32}$/, '1 to 32 letters, digits, "_", "." or "-"')
    .default('nof0')
    .describe('First part of every Redis key.'),
  NOF0_DESK_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{0,32}$/, 'up to 32 letters, digits, "_", "." or "-"')
    .default('')
    .describe('First part of the keys of the equities desk. Empty: they stand as they are, such as watchlist:current.'),
  NOF0_REDIS_SERVER: z.string().min(1).optional().describe('Path of the redis-server or valkey-server to embed.'),
  NOF0_HTTP_HOST: z.string().min(1).default('127.0.0.1').describe('Where the API, probes and metrics listen.'),
  NOF0_HTTP_PORT: port
    .optional()
    .describe('Port of the API. Unset: 4280, or a free one when that is taken; 0: any free one.'),
  NOF0_HTTP_TOKENS: credentialList
    .optional()
    .describe(
      'Who may control (operator) and look (viewer): NAME:ROLE:SECRET, comma-separated; for a bearer token or basic auth. Unset: on loopback everything is open, elsewhere nothing is controlled.',
    ),
  NOF0_HTTP_TOKENS_FILE: z.string().min(1).optional().describe('A file with such entries, one a line.'),
  PUBLIC_READS: z
    .enum(['0', '1'])
    .default('0')
    .describe('1: whoever reaches the API may read. Controls and the dashboard need an operator all the same.'),
  NOF0_HTTP_CORS: originList
    .optional()
    .describe('Origins whose web pages may read the API, comma-separated, or *. Unset: none but its own.'),
  NOF0_HTTP_RATE_LIMIT: z.coerce
    .number()
    .int()
    .min(0)
    .max(10_000_000)
    .default(6000)
    .describe(
      'Requests a minute of one address to one API process; 0: any number. This machine itself is not limited.',
    ),
  NOF0_HTTP_PROXIES: addressList
    .optional()
    .describe('Addresses of proxies whose X-Forwarded-For is believed, comma-separated, beside loopback.'),
  NOF0_METRICS_PORT: port
    .default(0)
    .describe('Port of the probes and metrics of a worker or scheduler, on the same host as the API; 0: any free one.'),
  NOF0_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal'])
    .default('info')
    .describe('Least severe level that is logged.'),
  NOF0_LOG_FORMAT: z
    .enum(['auto', 'json', 'pretty'])
    .default('auto')
    .describe('auto: pretty in a terminal, JSON elsewhere.'),
  NOF0_DB_POOL: z.coerce.number().int().min(2).max(200).default(20).describe('Database connections of one process.'),
  NOF0_CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(8)
    .describe('Jobs a worker process runs at a time, a queue.'),
  NOF0_TTL_SHORT: z.coerce.number().int().min(1).default(10).describe('Seconds. Prices.'),
  NOF0_TTL_MEDIUM: z.coerce
    .number()
    .int()
    .min(1)
    .default(60)
    .describe('Seconds. Leaderboard, recent trades, contexts.'),
  NOF0_TTL_LONG: z.coerce.number().int().min(1).default(300).describe('Seconds. Equity curves, assets, conversations.'),
  NOF0_TTL_POSITIONS: z.coerce.number().int().min(1).default(30).describe('Seconds. Open positions.'),
  NOF0_TTL_ANALYTICS: z.coerce.number().int().min(1).default(600).describe('Seconds. Analytics.'),
  NOF0_TTL_RESPONSES: z.coerce
    .number()
    .int()
    .min(1)
    .default(300)
    .describe('Seconds. Remembered answers of language models.'),
  NOF0_TTL_GUARD: z.coerce.number().int().min(1).default(86_400).describe('Seconds. Trade stream guards.'),
  NOF0_TTL_LOCK: z.coerce.number().int().min(1).default(5).describe('Seconds. Refresh locks.'),
  NOF0_READ_SOURCE: readSources
    .default({})
    .describe(
      'Where the addresses of the original API are answered from: store, files, or compare (files, with the store compared); all of them, or a list such as trades:compare,leaderboard:files. Unset: store.',
    ),
  NOF0_FILES_DIR: z.string().min(1).optional().describe("Directory of the original's files, for NOF0_READ_SOURCE."),
  TRADING_MODE: z
    .enum(['paper', 'live'])
    .default('paper')
    .describe('live: orders go to the real exchange, with the keys that the arena file names. See live trading.'),
  HYPERLIQUID_NETWORK: z
    .enum(['testnet', 'mainnet'])
    .default('testnet')
    .describe('Whose market and, in live trading, whose accounts. On mainnet money is real.'),
  HYPERLIQUID_API_URL: url(['http:', 'https:'])
    .optional()
    .describe("Base address of Hyperliquid's HTTP API. Unset: the network's public one."),
  HYPERLIQUID_WS_URL: url(['ws:', 'wss:'])
    .optional()
    .describe("Address of Hyperliquid's WebSocket. Unset: the network's public one."),
  APCA_API_DATA_URL: keptAddress
    .optional()
    .describe(
      "Base address of the stock data API of the equities desk (Alpaca Market Data). Unset: the provider's public one.",
    ),
  APCA_API_KEY_ID: headerText
    .optional()
    .describe(
      'Key of the stock data API, for `nof0 up --desk equities --market api`. It reads data and trades nothing.',
    ),
  APCA_API_SECRET_KEY: headerText.optional().describe('Secret of that key.'),
  NOF0_WEBHOOK_URL: url(['http:', 'https:'])
    .optional()
    .describe('Where every closed trade is posted to, by `nof0 consume webhook` and, in real time, by `nof0 up`.'),
  NOF0_WEBHOOK_SECRET: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('Key of the signature of posted trades (HMAC-SHA256); whsec_ and base64, or any text.'),
  NOF0_ALERT_WEBHOOK_URL: url(['http:', 'https:'])
    .optional()
    .describe(
      'Where alerts are posted to, signed. Set it, and those below, for every process that works or schedules.',
    ),
  NOF0_ALERT_WEBHOOK_SECRET: z
    .string()
    .min(16, 'at least 16 characters')
    .optional()
    .describe('Key of the signature of posted alerts (HMAC-SHA256); whsec_ and base64, or any text.'),
  NOF0_ALERT_SLACK_URL: url(['http:', 'https:'])
    .optional()
    .describe('Incoming webhook of a Slack channel that alerts are posted to. It is a secret.'),
  NOF0_ALERT_DISCORD_URL: url(['http:', 'https:'])
    .optional()
    .describe('Webhook of a Discord channel that alerts are posted to. It is a secret.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: url(['http:', 'https:'])
    .optional()
    .describe('Base address of a collector of OpenTelemetry traces (OTLP over HTTP). Unset: no traces.'),
  OTEL_SERVICE_NAME: z.string().min(1).default('nof0').describe('Name of the service in traces.'),
} satisfies Record<string, z.ZodType>;

/** Also when single variables are at fault: all faults are reported together. */
const always = () => true;

export const environmentSchema = z
  .object(environmentFields)
  .refine((env) => (env.REDIS_QUEUE_URL === undefined) === (env.REDIS_CACHE_URL === undefined), {
    message: 'REDIS_QUEUE_URL and REDIS_CACHE_URL come together (or REDIS_URL alone)',
    path: ['REDIS_QUEUE_URL'],
    when: always,
  })
  .refine(
    (env) => (env.DATABASE_URL === undefined) === (env.REDIS_URL === undefined && env.REDIS_QUEUE_URL === undefined),
    {
      message:
        'DATABASE_URL and REDIS_URL (or the two role addresses) come together: either everything is embedded or nothing',
      path: ['DATABASE_URL'],
      when: always,
    },
  )
  .refine(
    (env) =>
      env.NOF0_FILES_DIR !== undefined || Object.values(env.NOF0_READ_SOURCE).every((source) => source === 'store'),
    { message: 'NOF0_FILES_DIR, where NOF0_READ_SOURCE reads files', path: ['NOF0_FILES_DIR'] },
  )
  .refine((env) => (env.APCA_API_KEY_ID === undefined) === (env.APCA_API_SECRET_KEY === undefined), {
    message: 'APCA_API_KEY_ID and APCA_API_SECRET_KEY together',
    path: ['APCA_API_KEY_ID'],
    when: always,
  })
  .refine((env) => (env.NOF0_WEBHOOK_URL === undefined) === (env.NOF0_WEBHOOK_SECRET === undefined), {
    message: 'NOF0_WEBHOOK_URL and NOF0_WEBHOOK_SECRET together',
    path: ['NOF0_WEBHOOK_URL'],
    when: always,
  })
  .refine((env) => (env.NOF0_ALERT_WEBHOOK_URL === undefined) === (env.NOF0_ALERT_WEBHOOK_SECRET === undefined), {
    message: 'NOF0_ALERT_WEBHOOK_URL and NOF0_ALERT_WEBHOOK_SECRET together',
    path: ['NOF0_ALERT_WEBHOOK_URL'],
    when: always,
  });

export type Environment = z.infer<typeof environmentSchema>;
