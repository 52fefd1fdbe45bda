import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Config, forRun, loadConfig, pace } from '../../src/config.ts';
import { CodedError, type Fault } from '../../src/errors.ts';
import { createLogger, redactUrl } from '../../src/telemetry/logger.ts';
import { Redactor } from '../../src/telemetry/redact.ts';

const ONE_MODEL = 'models:\n  - { id: a, strategy: carry }\n';
const SERVERS = { DATABASE_URL: 'postgres://u:p@db/nof0', REDIS_URL: 'redis://cache:6379' };

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'nof0-config-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

type Given = {
  readonly env?: Record<string, string>;
  readonly dotEnv?: string;
  readonly arena?: string | null;
  readonly files?: Record<string, string>;
};

function load({ env = {}, dotEnv, arena = ONE_MODEL, files = {} }: Given = {}): Config {
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(dir, name), text);
  if (dotEnv !== undefined) writeFileSync(path.join(dir, '.env'), dotEnv);
  if (arena !== null) writeFileSync(path.join(dir, 'arena.yaml'), arena);
  return loadConfig({ env, cwd: dir, arenaFile: 'arena.yaml' });
}

/** The error of a configuration that must be refused. */
function refusal(given: Given): CodedError {
  try {
    load(given);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

const faultsOf = (given: Given): readonly Fault[] => refusal(given).faults;
const pathsOf = (given: Given): string[] => faultsOf(given).map((fault) => fault.path);

describe('a configuration that says nothing', () => {
  it('embeds the servers and has a default for everything', () => {
    expect(load()).toMatchObject({
      dataDir: path.join(dir, '.nof0'),
      run: null,
      servers: null,
      redisPrefix: 'nof0',
      redisServerPath: null,
      http: { host: '127.0.0.1', port: null },
      metricsPort: 0,
      tracing: null,
      log: { level: 'info', format: 'auto' },
      dbPool: 20,
      concurrency: 8,
      ttl: {
        short: 10_000,
        medium: 60_000,
        long: 300_000,
        positions: 30_000,
        analytics: 600_000,
        guard: 86_400_000,
        lock: 5000,
      },
      arena: {
        seed: 'nof0',
        barInterval: 300_000,
        schedules: { price: 1000, decision: 180_000, snapshot: 300_000, analytics: 3_600_000 },
        paper: { takerFeeBps: 4.5, slippageBps: 1 },
        guardrails: { minConfidence: 0.5, maxPositions: 4, maxLeverage: 5 },
        models: [{ id: 'a', strategy: 'carry', initialEquityUsd: 10_000 }],
      },
      apiKeys: {},
    });
  });

  it('takes the pace of the market kind and fills it from the schedules', () => {
    const { arena } = load();
    expect(pace(arena, 'synthetic')).toMatchObject({
      price: 1000,
      decision: 15_000,
      snapshot: 30_000,
      analytics: 60_000,
    });
    expect(pace(arena, 'replay')).toMatchObject({
      price: 60_000,
      decision: 180_000,
      snapshot: 300_000,
      analytics: 3_600_000,
    });
  });

  it('is the one the repository ships', () => {
    const repository = path.resolve(import.meta.dirname, '../..');
    const config = loadConfig({ env: {}, cwd: repository });
    expect(config.arena.models.map((model) => model.id)).toContain('coin-flip');
  });
});

describe('reading', () => {
  it('counts an empty variable as one that is not set', () => {
    const config = load({ env: { DATABASE_URL: '', REDIS_URL: '', NOF0_DB_POOL: '', NOF0_UNKNOWN: '' } });
    expect(config.servers).toBeNull();
    expect(config.dbPool).toBe(20);
  });

  it('lets an empty variable of the process leave the one of the file alone', () => {
    expect(load({ dotEnv: 'NOF0_DB_POOL=7\n', env: { NOF0_DB_POOL: '' } }).dbPool).toBe(7);
  });

  it('reads .env with comments, quotes and exports, and lets the process environment win', () => {
    const config = load({
      dotEnv: '# a comment\n\nNOF0_REDIS_PREFIX="arena-1"\nexport NOF0_DB_POOL=7\r\nNOF0_CONCURRENCY=3\n',
      env: { NOF0_CONCURRENCY: '5' },
    });
    expect(config).toMatchObject({ redisPrefix: 'arena-1', dbPool: 7, concurrency: 5 });
  });

  it('lets the command line name the run over both', () => {
    writeFileSync(path.join(dir, 'arena.yaml'), ONE_MODEL);
    const config = loadConfig({ env: { NOF0_RUN: 'mine' }, cwd: dir, arenaFile: 'arena.yaml', run: 'other' });
    expect(config.run).toBe('other');
  });

  it('uses one Redis for both roles, or one for each', () => {
    expect(load({ env: SERVERS }).servers).toEqual({
      databaseUrl: SERVERS.DATABASE_URL,
      queueRedisUrl: SERVERS.REDIS_URL,
      cacheRedisUrl: SERVERS.REDIS_URL,
    });
    const roles = {
      DATABASE_URL: SERVERS.DATABASE_URL,
      REDIS_QUEUE_URL: 'redis://queue',
      REDIS_CACHE_URL: 'rediss://cache',
    };
    expect(load({ env: roles }).servers).toEqual({
      databaseUrl: SERVERS.DATABASE_URL,
      queueRedisUrl: 'redis://queue',
      cacheRedisUrl: 'rediss://cache',
    });
  });

  it('traces to the collector that is named, and refuses an address that is none', () => {
    const tracing = (endpoint: string) => load({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint } }).tracing;
    expect(tracing('http://collector:4318')).toEqual({ endpoint: 'http://collector:4318', service: 'nof0' });
    expect(pathsOf({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' } })).toEqual([
      'environment: OTEL_EXPORTER_OTLP_ENDPOINT',
    ]);
  });

  it('understands durations from milliseconds to days', () => {
    const arena = `schedules: { price: 250ms, decision: 1.5m, snapshot: 2h, analytics: 1d }\nhistory: 30d\n${ONE_MODEL}`;
    const config = load({ arena });
    expect(config.arena.schedules).toMatchObject({
      price: 250,
      decision: 90_000,
      snapshot: 7_200_000,
      analytics: 86_400_000,
    });
    expect(config.arena.history).toBe(30 * 86_400_000);
  });

  it.each(['15', '15 minutes', '-3m', '3M', 'm', '', '0s'])('refuses "%s" as a duration', (text) => {
    expect(faultsOf({ arena: `barInterval: "${text}"\n${ONE_MODEL}` })).toEqual([
      { path: 'arena.yaml: barInterval', expected: 'a duration of at least 60000 ms, such as 250ms, 15s, 3m, 1h' },
    ]);
  });

  it('takes the keys of endpoints from the variables that the arena names, and nothing else', () => {
    const arena =
      'models:\n  - { id: a, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, apiKeyEnv: A_KEY } }\n';
    expect(load({ arena, env: { A_KEY: 'sk-1', B_KEY: 'sk-2' } }).apiKeys).toEqual({ A_KEY: 'sk-1' });
    expect(load({ arena, dotEnv: 'A_KEY=sk-3\n' }).apiKeys).toEqual({ A_KEY: 'sk-3' });
  });

  it('takes a key from a variable of any name but those that the platform reads itself', () => {
    const arena = (name: string) =>
      `models:\n  - { id: a, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, apiKeyEnv: ${name} } }\n`;
    expect(load({ arena: arena('NOF0_MY_KEY'), env: { NOF0_MY_KEY: 'sk-1' } }).apiKeys).toEqual({
      NOF0_MY_KEY: 'sk-1',
    });
    expect(faultsOf({ arena: arena('NOF0_HTTP_HOST'), env: { NOF0_HTTP_HOST: '127.0.0.1' } })).toEqual([
      { path: 'arena.yaml: models.0.endpoint.apiKeyEnv', expected: expect.stringContaining("platform's own") },
    ]);
  });

  it("judges the key of the equities desk's trader like any other", () => {
    const arena = (name: string) =>
      `models:\n  - { id: a, strategy: carry }\nequities:\n  trader: { id: t, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, apiKeyEnv: ${name} } }\n`;
    expect(load({ arena: arena('T_KEY'), env: { T_KEY: 'sk-1' } }).apiKeys).toEqual({ T_KEY: 'sk-1' });
    const path = 'arena.yaml: equities.trader.endpoint.apiKeyEnv';
    expect(faultsOf({ arena: arena('T_KEY') })).toEqual([{ path, expected: expect.stringContaining('to be set') }]);
    expect(faultsOf({ arena: arena('NOF0_HTTP_HOST'), env: { NOF0_HTTP_HOST: '127.0.0.1' } })).toEqual([
      { path, expected: expect.stringContaining("platform's own") },
    ]);
  });

  it.each(['http://me:secret@host/v1', 'https://host/v1?key=secret', 'ftp://host/v1', 'host'])(
    'refuses the endpoint address %s',
    (baseUrl) => {
      const arena = `models:\n  - { id: a, endpoint: { baseUrl: "${baseUrl}", model: m } }\n`;
      expect(faultsOf({ arena }).map(({ path: at }) => at)).toContain('arena.yaml: models.0.endpoint.baseUrl');
    },
  );

  it('reads the prompts that the arena file names, and the shipped one', () => {
    const arena =
      'models:\n  - { id: a, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, prompt: short.md } }\n';
    const short = '---\nversion: short-1\n---\n# System\nTrade.\n# User\n{{market}}\n';
    expect(faultsOf({ arena })).toEqual([
      { path: 'short.md: (whole)', expected: expect.stringContaining('a readable file') },
    ]);
    const { prompts } = load({ arena, files: { 'short.md': short } });
    expect(prompts['short.md']).toMatchObject({ version: 'short-1', system: 'Trade.', user: '{{market}}' });
    expect(prompts['']?.version).toMatch(/^v\d+$/);
    expect(forRun(load({ arena, files: { 'short.md': short } }), 'equities').prompts['']?.version).toMatch(
      /^equities-v\d+$/,
    );
    expect(faultsOf({ arena, files: { 'short.md': short.replace('market', 'markt') } })).toEqual([
      { path: 'short.md: (whole)', expected: expect.stringContaining('did you mean {{market}}?') },
    ]);
  });

  it('is frozen to the last leaf', () => {
    const loose: object[] = [];
    const walk = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      if (!Object.isFrozen(value)) loose.push(value);
      Object.values(value).forEach(walk);
    };
    walk(load({ env: SERVERS }));
    expect(loose).toEqual([]);
  });
});

describe('faults', () => {
  it('lists every fault of every source at once, each with its place and what was expected', () => {
    const error = refusal({
      dotEnv: 'NOF0_DB_POOL=20\nthis is no assignment\n',
      env: {
        DATABASE_URL: 'mysql://db/nof0',
        NOF0_REDIS_PREFX: 'x',
        NOF0_LOG_LEVEL: 'loud',
        NOF0_CONCURRENCY: 'many',
      },
      arena: [
        'barInterval: soon',
        'sedd: x',
        'guardrails: { minConfidence: 2 }',
        'models:',
        '  - { id: a, strategy: martingale }',
        '  - { id: b, strategy: carry }',
        '  - { id: b, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, apiKeyEnv: B_KEY } }',
        '  - { id: c }',
      ].join('\n'),
    });
    expect(error.code).toBe('NOF0_CONFIG_INVALID');
    const faults = error.faults.map(({ path: where, expected }) => `${where} → ${expected}`);
    const wanted = [
      /^\.env: line 2 → NAME=value/,
      /^environment: NOF0_REDIS_PREFX → a known name; did you mean NOF0_REDIS_PREFIX\?$/,
      /^environment: DATABASE_URL → an address beginning with postgres:\/\/ or postgresql:\/\/$/,
      /^environment: DATABASE_URL → DATABASE_URL and REDIS_URL .* come together/,
      /^environment: NOF0_LOG_LEVEL → .*"trace"/,
      /^environment: NOF0_CONCURRENCY → .*number/,
      /^arena\.yaml: barInterval → a duration of at least 60000 ms/,
      /^arena\.yaml: sedd → no such field$/,
      /^arena\.yaml: guardrails\.minConfidence → .*<=1/,
      /^arena\.yaml: models\.0\.strategy → .*"trend-follower"/,
      /^arena\.yaml: models\.2\.id → an id of its own \("b" is taken\)$/,
      /^arena\.yaml: models\.2\.endpoint\.apiKeyEnv → the environment variable B_KEY to be set$/,
      /^arena\.yaml: models\.3 → exactly one of "strategy" and "endpoint"$/,
    ];
    for (const fault of wanted) expect(faults).toContainEqual(expect.stringMatching(fault));
    expect(faults).toHaveLength(wanted.length);
    expect(error.message).toBe(`${wanted.length} faults in the configuration`);
  });

  it('never shows the value that was refused', () => {
    const error = refusal({ env: { ...SERVERS, DATABASE_URL: 'mysql://user:hunter2@db/nof0' } });
    expect(JSON.stringify([error.message, error.faults])).not.toContain('hunter2');
  });

  it('says "1 fault" when there is one', () => {
    expect(refusal({ env: { NOF0_LOG_FORMAT: 'xml' } }).message).toBe('1 fault in the configuration');
  });

  it.each([
    ['DATABASE_URL', 'not an address', 'postgres://'],
    ['DATABASE_URL', 'redis://db', 'postgres://'],
    ['REDIS_URL', 'http://cache', 'redis://'],
    ['REDIS_QUEUE_URL', 'redis//queue', 'redis://'],
  ])('refuses %s=%s', (name, value, expected) => {
    const faults = faultsOf({ env: { [name]: value } });
    expect(faults).toContainEqual({ path: `environment: ${name}`, expected: expect.stringContaining(expected) });
  });

  it('wants all servers or none', () => {
    expect(pathsOf({ env: { DATABASE_URL: SERVERS.DATABASE_URL } })).toEqual(['environment: DATABASE_URL']);
    expect(pathsOf({ env: { REDIS_URL: SERVERS.REDIS_URL } })).toEqual(['environment: DATABASE_URL']);
    expect(pathsOf({ env: { DATABASE_URL: SERVERS.DATABASE_URL, REDIS_QUEUE_URL: 'redis://q' } })).toEqual([
      'environment: REDIS_QUEUE_URL',
    ]);
  });

  it('names a variable that is near, and only says so when none is', () => {
    expect(faultsOf({ env: { NOF0_HTTP_PROT: '1', NOF0_SOMETHING_ELSE_ENTIRELY: '1' } })).toEqual([
      { path: 'environment: NOF0_HTTP_PROT', expected: 'a known name; did you mean NOF0_HTTP_PORT?' },
      { path: 'environment: NOF0_SOMETHING_ELSE_ENTIRELY', expected: 'a known name' },
    ]);
  });

  it('lets other programs have their variables', () => {
    expect(load({ env: { PATH: '/bin', REDIS_PASSWORD: 'x' } }).redisPrefix).toBe('nof0');
  });

  it('names unknown fields by their whole path', () => {
    const arena = 'models:\n  - { id: a, strategy: carry, leverage: 3 }\nguardrails: { maxLevrage: 3 }\n';
    expect(faultsOf({ arena })).toEqual([
      { path: 'arena.yaml: guardrails.maxLevrage', expected: 'no such field' },
      { path: 'arena.yaml: models.0.leverage', expected: 'no such field' },
    ]);
  });

  it('wants a strategy or an endpoint, not both and not none', () => {
    const endpoint = 'endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m }';
    for (const model of ['{ id: a }', `{ id: a, strategy: carry, ${endpoint} }`]) {
      expect(faultsOf({ arena: `models:\n  - ${model}\n` })).toEqual([
        { path: 'arena.yaml: models.0', expected: 'exactly one of "strategy" and "endpoint"' },
      ]);
    }
  });

  it.each(['a b', 'a{b}', ''])('refuses "%s" as the id of a model', (id) => {
    expect(pathsOf({ arena: `models:\n  - { id: "${id}", strategy: carry }\n` })).toContain('arena.yaml: models.0.id');
  });

  it('wants at least one model', () => {
    expect(pathsOf({ arena: 'models: []\n' })).toEqual(['arena.yaml: models']);
    expect(pathsOf({ arena: '' })).toEqual(['arena.yaml: (whole)']);
  });

  it('says which file cannot be read, and still lists the faults of the environment', () => {
    const faults = faultsOf({ arena: null, env: { NOF0_DB_POOL: '0' } });
    expect(faults).toContainEqual({
      path: 'arena.yaml: (whole)',
      expected: `a readable file at ${path.join(dir, 'arena.yaml')}`,
    });
    expect(faults.map((fault) => fault.path)).toContain('environment: NOF0_DB_POOL');
  });

  it('says the same of a folder in its place, and of a .env that is one', () => {
    mkdirSync(path.join(dir, 'arena.yaml'));
    mkdirSync(path.join(dir, '.env'));
    expect(faultsOf({ arena: null })).toEqual([
      { path: '.env: (whole)', expected: `a readable file at ${path.join(dir, '.env')}` },
      { path: 'arena.yaml: (whole)', expected: `a readable file at ${path.join(dir, 'arena.yaml')}` },
    ]);
  });

  it.each([
    ['a bracket that is not closed', 'models: [\n'],
    ['a tab as indentation', 'models:\n\t- x\n'],
    ['an alias without anchor', 'models: *nothing\n'],
    ['a key that stands twice', 'seed: a\nseed: b\n'],
  ])('calls %s a fault of the YAML', (_, arena) => {
    expect(faultsOf({ arena })).toEqual([
      { path: 'arena.yaml: (whole)', expected: expect.stringMatching(/^valid YAML: \S.*/) },
    ]);
  });
});

describe('credentials of the API', () => {
  const OPERATOR = 'carol:operator:0123456789abcdef';
  const VIEWER = 'dave:viewer:fedcba9876543210';

  it('come from the environment and from a file', () => {
    const env = { NOF0_HTTP_TOKENS: OPERATOR, NOF0_HTTP_TOKENS_FILE: 'tokens' };
    const { credentials, publicReads } = load({ env, files: { tokens: `# who may look\n${VIEWER}\n` } }).http;
    expect(credentials).toEqual([
      { name: 'carol', role: 'operator', secret: '0123456789abcdef' },
      { name: 'dave', role: 'viewer', secret: 'fedcba9876543210' },
    ]);
    expect(publicReads).toBe(false);
  });

  it.each([
    ['a short secret', 'carol:operator:hunter2'],
    ['no such role', 'carol:admin:0123456789abcdef'],
    ['no role', 'carol:0123456789abcdef'],
    ['a name twice', `${OPERATOR},carol:viewer:fedcba9876543210`],
    ['a secret twice', `${OPERATOR},dave:viewer:0123456789abcdef`],
  ])('with %s are refused, and the fault does not repeat them', (_what, tokens) => {
    const error = refusal({ env: { NOF0_HTTP_TOKENS: tokens } });
    expect(error.faults.map((fault) => fault.path)).toEqual(['environment: NOF0_HTTP_TOKENS']);
    expect(JSON.stringify([error.message, error.faults])).not.toMatch(/hunter2|0123456789|fedcba/);
  });

  it('of a file that is not there, or holds none, are a fault', () => {
    expect(refusal({ env: { NOF0_HTTP_TOKENS_FILE: 'missing' } }).faults).toHaveLength(1);
    const none = refusal({ env: { NOF0_HTTP_TOKENS_FILE: 'tokens' }, files: { tokens: 'nothing here' } });
    expect(none.faults.map((fault) => fault.path)).toEqual(['NOF0_HTTP_TOKENS_FILE']);
  });

  it('origins are origins', () => {
    expect(load({ env: { NOF0_HTTP_CORS: 'https://a.example, http://localhost:3000' } }).http.corsOrigins).toEqual([
      'https://a.example',
      'http://localhost:3000',
    ]);
    for (const bad of ['https://a.example/', 'a.example', '*.example'])
      expect(refusal({ env: { NOF0_HTTP_CORS: bad } }).faults, bad).toHaveLength(1);
  });
});

describe('secrets from files', () => {
  const file = (text: string) => ({ secret: text });

  it('are read where NAME_FILE says, without the end of their line', () => {
    const config = load({
      env: { DATABASE_URL_FILE: 'secret', REDIS_URL: 'redis://cache:6379' },
      files: file('postgres://u:p4ssw0rd@db/nof0\n'),
    });
    expect(config.servers?.databaseUrl).toBe('postgres://u:p4ssw0rd@db/nof0');
    expect(config.secrets).toEqual(['p4ssw0rd', 'p4ssw0rd']);
  });

  it('hold for the keys that the arena file names', () => {
    const arena =
      'models:\n  - { id: a, endpoint: { baseUrl: "http://127.0.0.1:1/v1", model: m, apiKeyEnv: NOF0_MY_KEY } }\n';
    const config = load({ env: { NOF0_MY_KEY_FILE: 'secret' }, arena, files: file('key-of-a-model') });
    expect(config.apiKeys).toEqual({ NOF0_MY_KEY: 'key-of-a-model' });
    expect(config.secrets).toContain('key-of-a-model');
  });

  it('are refused when they are missing, empty or given twice, and nothing says what was in them', () => {
    const faults = (env: Record<string, string>, text = 'x') =>
      JSON.stringify(faultsOf({ env: { ...SERVERS, ...env }, files: file(text) }));
    expect(faults({ NOF0_WEBHOOK_SECRET_FILE: 'nowhere', NOF0_WEBHOOK_URL: 'http://a' })).toContain('readable file');
    expect(faults({ NOF0_WEBHOOK_SECRET_FILE: 'secret', NOF0_WEBHOOK_URL: 'http://a' }, '\n')).toContain('not empty');
    expect(faults({ DATABASE_URL_FILE: 'secret' })).toContain('not both');
    expect(faults({ NOF0_WEBHOOK_SECRET_FILE: 'secret', NOF0_WEBHOOK_URL: 'http://a' }, 'short')).not.toContain(
      'short"',
    );
  });

  it('leave other files to others', () => {
    expect(load({ env: { SSL_CERT_FILE: '/nowhere' } }).secrets).toEqual([]);
    expect(pathsOf({ env: { NOF0_WEBHOK_SECRET_FILE: 'x' } })).toEqual(['environment: NOF0_WEBHOK_SECRET_FILE']);
  });
});

describe('secrets in the log', () => {
  async function logged(write: (logger: ReturnType<typeof createLogger>) => void): Promise<string> {
    const file = path.join(dir, 'out.log');
    const logger = createLogger({ level: 'info', format: 'json' }, {}, file);
    write(logger);
    // The file is opened in the background; what was written is in it once its last line is.
    return vi.waitFor(() => {
      logger.flush();
      const text = readFileSync(file, 'utf8');
      expect(text).toContain('the end');
      return text;
    });
  }

  it.each([
    ['postgres://user:hunter2@db:5432/nof0', 'postgres://user:***@db:5432/nof0'],
    ['redis://:hunter2@cache:6379/1', 'redis://:***@cache:6379/1'],
    ['redis://cache:6379', 'redis://cache:6379'],
    ['postgres://user@db/nof0', 'postgres://user@db/nof0'],
    ['connecting to redis://u:hunter2@h failed', 'connecting to redis://u:***@h failed'],
  ])('turns %s into %s', (url, safe) => {
    expect(redactUrl(url)).toBe(safe);
  });

  it('hides passwords of addresses in messages and the fields that hold secrets, however deep', async () => {
    const text = await logged((logger) => {
      logger.info({ apiKey: 'hunter2', endpoint: { apiKey: 'hunter2' }, a: { b: { token: 'hunter2' } } }, 'fields');
      logger.info('connecting to postgres://user:hunter2@db/nof0');
      logger.info({ password: 'hunter2', authorization: 'hunter2', secret: 'hunter2', privateKey: 'hunter2' });
      logger.info('the end');
    });
    expect(text).not.toContain('hunter2');
    expect(text).toContain('postgres://user:***@db/nof0');
    expect(text.trim().split('\n')).toHaveLength(4);
  });

  it('hides what is known to be secret wherever it turns up, also in errors and their stacks, and counts of tokens stay', () => {
    const redactor = new Redactor(['hunter2-of-the-arena', 'short']);
    const hidden = redactor.value({
      err: { message: 'hunter2-of-the-arena was refused' },
      list: [{ url: 'https://x/hook?token=abcdef123&b=1' }, 'Bearer abcdefgh12345'],
      promptTokens: 5,
      tokens: 'all',
      api_key: 'k',
      at: null,
    });
    expect(hidden).toEqual({
      err: { message: '*** was refused' },
      list: [{ url: 'https://x/hook?token=***&b=1' }, 'Bearer ***'],
      promptTokens: 5,
      tokens: 'all',
      api_key: '***',
      at: null,
    });
    const same = { a: [1, 'b'], c: { d: 'short' } };
    expect(redactor.value(same)).toBe(same);
  });
});
