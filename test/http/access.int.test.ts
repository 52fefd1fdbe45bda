/** Who may do what, on which address, and what of it is written down. */

import type { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../src/http/api.ts';
import { CONTROL_ENDPOINTS } from '../../src/http/control-endpoints.ts';
import { startHttp } from '../../src/http/server.ts';
import { audit, recentAudit } from '../../src/store/audit.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';
import { MODELS, seed } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST, SECOND] = MODELS;
const OPERATOR = 'operator-secret-0123456789';
const VIEWER = 'viewer-secret-0123456789';
const TOKENS = { NOF0_HTTP_TOKENS: `carol:operator:${OPERATOR}, dave:viewer:${VIEWER}` };
const WIDE = '0.0.0.0';
const JSON_TYPE = { 'Content-Type': 'application/json' };

let arena: TestRun;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  const { stories } = await arena.stories();
  await stories.exchange.openAccounts(MODELS.map((account) => ({ account, initialUsd: 10_000 })));
});

afterAll(() => arena?.close());
beforeEach(() => arena.resources.db.query('DELETE FROM audit_log'));

function api(env: Record<string, string>, host = '127.0.0.1'): Hono {
  return createApi({ ...arena.resources, config: testConfig(env) }, { host });
}

type Who = 'anonymous' | 'stranger' | 'viewer' | 'operator';
const HEADERS: Record<Who, Record<string, string>> = {
  anonymous: {},
  stranger: { Authorization: 'Bearer wrong-secret-0123456789' },
  viewer: { Authorization: `Bearer ${VIEWER}` },
  operator: { Authorization: `Basic ${Buffer.from(`carol:${OPERATOR}`).toString('base64')}` },
};

const post = (app: Hono, path: string, body: unknown, headers: Record<string, string> = {}) =>
  app.request(path, { method: 'POST', body: JSON.stringify(body), headers: { ...JSON_TYPE, ...headers } });

describe('the matrix', () => {
  const controls = CONTROL_ENDPOINTS.map(({ path }) => `/api/control${path}`);

  it.each(controls)('%s is for operators alone', async (path) => {
    for (const host of ['127.0.0.1', WIDE]) {
      const app = api(TOKENS, host);
      const statusOf = async (who: Who) => (await post(app, path, { nonsense: true }, HEADERS[who])).status;
      expect(await statusOf('anonymous')).toBe(401);
      expect(await statusOf('stranger')).toBe(401);
      expect(await statusOf('viewer')).toBe(403);
      // Let in, and only then read: the body is none.
      expect(await statusOf('operator')).toBe(400);
    }
    expect(await recentAudit(arena.resources.db, 10)).toEqual([]);
  });

  it.each([
    ['GET', '/queues', { viewer: 200, operator: 200 }],
    ['GET', '/queues/api/queues', { viewer: 200, operator: 200 }],
    ['PUT', '/queues/api/queues/snapshot/pause', { viewer: 403, operator: 200 }],
    ['PUT', '/queues/api/queues/snapshot/resume', { viewer: 403, operator: 200 }],
    ['PUT', '/queues/api/queues/snapshot/clean/completed', { viewer: 403, operator: 200 }],
    ['PUT', '/queues/api/queues/nothing/pause', { viewer: 403, operator: 404 }],
    ['DELETE', '/queues/api/queues/snapshot', { viewer: 403, operator: 404 }],
  ])('the dashboard: %s %s', async (method, path, expected) => {
    const app = api(TOKENS, WIDE);
    for (const [who, status] of Object.entries({ anonymous: 401, stranger: 401, ...expected })) {
      const response = await app.request(path, { method, headers: HEADERS[who as Who] });
      expect(response.status, who).toBe(status);
    }
    const actions = (await recentAudit(arena.resources.db, 10)).map(({ who, what, target }) => ({ who, what, target }));
    expect(actions).toEqual(method === 'GET' ? [] : [{ who: 'carol', what: 'dashboard', target: `${method} ${path}` }]);
  });

  it('reads are open on loopback and where they are public, else for whoever has a credential', async () => {
    const statuses = async (app: Hono) =>
      Promise.all(
        (['anonymous', 'stranger', 'viewer', 'operator'] as const).map(
          async (who) => (await app.request('/api/leaderboard', { headers: HEADERS[who] })).status,
        ),
      );
    expect(await statuses(api(TOKENS))).toEqual([200, 200, 200, 200]);
    expect(await statuses(api({ ...TOKENS, PUBLIC_READS: '1' }, WIDE))).toEqual([200, 200, 200, 200]);
    expect(await statuses(api(TOKENS, WIDE))).toEqual([401, 401, 200, 200]);
    expect((await api(TOKENS, WIDE).request('/api/stream')).status).toBe(401);
    expect((await api(TOKENS, WIDE).request('/healthz')).status).toBe(200);
  });

  it('a browser is told how to ask', async () => {
    const response = await api(TOKENS).request('/queues');
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm=/);
    expect(shapes.failure.parse(await response.json()).error.code).toBe('NOF0_UNAUTHENTICATED');
  });

  it('a name with the secret of another is nobody', async () => {
    const mixed = { Authorization: `Basic ${Buffer.from(`carol:${VIEWER}`).toString('base64')}` };
    expect((await api(TOKENS).request('/queues', { headers: mixed })).status).toBe(401);
  });
});

describe('without credentials', () => {
  it('beyond loopback there are no controls and no dashboard, and nothing starts unless reads are public', async () => {
    const app = api({ PUBLIC_READS: '1' }, WIDE);
    expect((await app.request('/api/leaderboard')).status).toBe(200);
    expect((await post(app, '/api/control/halt', {})).status).toBe(404);
    expect((await app.request('/queues')).status).toBe(404);
    const { resources } = arena;
    const start = (env: Record<string, string>) =>
      startHttp({ ...resources, config: testConfig(env) }, { host: WIDE, port: 0 });
    await expect(start({})).rejects.toMatchObject({ code: 'NOF0_CONFIG_INVALID', message: /PUBLIC_READS=1/ });
    for (const env of [{ PUBLIC_READS: '1' }, TOKENS]) await (await start(env)).close();
  });

  it('on loopback everybody at this machine may, and nobody who comes through a proxy or from a page of others', async () => {
    const app = api({});
    const ask = async (headers: Record<string, string>) =>
      (await post(app, '/api/control/pause', {}, { host: '127.0.0.1:4280', ...headers })).status;
    expect(await ask({})).toBe(400);
    expect(await ask({ origin: 'http://127.0.0.1:4280' })).toBe(400);
    expect(await ask({ 'x-forwarded-for': '203.0.113.7' })).toBe(403);
    expect(await ask({ host: 'rebound.example:4280' })).toBe(403);
    expect(await ask({ origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(403);
  });
});

describe('forged requests', () => {
  it('of other pages are refused although the browser adds the password', async () => {
    const app = api(TOKENS, WIDE);
    const ask = async (headers: Record<string, string>) => {
      const all = { host: 'arena.example', ...HEADERS.operator, ...headers };
      return (await post(app, '/api/control/pause', {}, all)).status;
    };
    expect(await ask({ origin: 'https://arena.example' })).toBe(400);
    expect(await ask({ 'sec-fetch-site': 'same-origin' })).toBe(400);
    expect(await ask({ origin: 'https://evil.example' })).toBe(403);
    expect(await ask({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await ask({ 'sec-fetch-site': 'same-site' })).toBe(403);
    expect(await ask({ origin: 'null' })).toBe(403);
  });

  it('as forms send them are refused', async () => {
    const form = { 'Content-Type': 'text/plain' };
    const response = await post(api(TOKENS), '/api/control/pause', { target: 'all' }, { ...HEADERS.operator, ...form });
    expect(response.status).toBe(415);
  });

  it('of any size are not read', async () => {
    const response = await post(api(TOKENS), '/api/control/pause', { target: 'x'.repeat(100_000) }, HEADERS.operator);
    expect(response.status).toBe(413);
  });
});

describe('an operator', () => {
  const act = async (path: string, body: unknown) => {
    const response = await post(api(TOKENS), `/api/control/${path}`, body, HEADERS.operator);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const stateOf = async (id: string) => (await traderStates(arena.resources.db, [id]))[0]?.state;

  it('pauses and resumes a model, and the log has his name', async () => {
    expect(await act('pause', { target: FIRST })).toMatchObject({
      status: 200,
      body: { switched: [{ target: `model:${FIRST}`, changed: true }] },
    });
    expect(await stateOf(FIRST)).toBe('paused');
    expect(await act('pause', { target: FIRST })).toMatchObject({ body: { switched: [{ changed: false }] } });
    await act('resume', { target: 'all' });
    expect(await stateOf(FIRST)).toBe('running');
    const log = await recentAudit(arena.resources.db, 10);
    expect(log.map(({ who, what }) => [who, what])).toEqual([
      ['carol', 'resume'],
      ['carol', 'pause'],
    ]);
  });

  it('sends a model into the shadow and back', async () => {
    await act('shadow', { model: SECOND });
    expect(await stateOf(SECOND)).toBe('shadow');
    await act('shadow', { model: SECOND, off: true });
    expect(await stateOf(SECOND)).toBe('running');
  });

  it('pauses a queue', async () => {
    expect(await act('pause', { target: 'queue:snapshot' })).toMatchObject({
      body: { switched: [{ target: 'queue:snapshot', state: 'paused' }] },
    });
    await act('resume', { target: 'queues' });
  });

  it('flattens a model that has nothing, and halts all', async () => {
    const flat = await act('flatten', { model: SECOND, waitMs: 1000 });
    expect(flat).toMatchObject({ status: 200, body: { flat: true, flattened: [{ model: SECOND }] } });
    expect(await stateOf(SECOND)).toBe('paused');
    const halted = await act('halt', { waitMs: 1000 });
    expect(halted.status).toBe(200);
    expect(halted.body.flattened).toHaveLength(MODELS.length);
    await act('resume', { target: 'all' });
  });

  it('is told what he got wrong, with a code', async () => {
    const code = async (path: string, body: unknown) => {
      const answer = await act(path, body);
      return [answer.status, shapes.failure.parse(answer.body).error.code];
    };
    expect(await code('pause', { target: 'nobody' })).toEqual([400, 'NOF0_INPUT_INVALID']);
    expect(await code('shadow', { model: 'nobody' })).toEqual([404, 'NOF0_MODEL_UNKNOWN']);
    expect(await code('close', { model: FIRST, symbol: 'NOPE', waitMs: 0 })).toEqual([404, 'NOF0_SYMBOL_UNKNOWN']);
    expect(await code('cancel', { job: 'nothing' })).toEqual([404, 'NOF0_JOB_UNKNOWN']);
    expect(await code('redrive', {})).toEqual([400, 'NOF0_INPUT_INVALID']);
    expect(await code('redrive', { ids: [1], all: true })).toEqual([400, 'NOF0_INPUT_INVALID']);
    expect(await code('halt', { wait: '20s' })).toEqual([400, 'NOF0_INPUT_INVALID']);
    expect(await act('redrive', { ids: [999] })).toMatchObject({ status: 200, body: { ids: [], unknown: [999] } });
  });
});

describe('the log of a dashboard', () => {
  it('that cannot be written keeps the action from happening', async () => {
    const { resources } = arena;
    const broken = new Proxy(resources.db, {
      get: (target, name) =>
        name === 'query' ? () => Promise.reject(new Error('no log')) : Reflect.get(target, name, target),
    });
    await expect(audit(broken, { who: 'x', what: 'y', target: null })).rejects.toThrow();
    const app = createApi({ ...resources, db: broken, config: testConfig(TOKENS) });
    const response = await app.request('/queues/api/queues/snapshot/pause', {
      method: 'PUT',
      headers: HEADERS.operator,
    });
    expect(response.status).toBe(500);
    expect(
      await resources.queues
        .all()
        .find(({ name }) => name === 'snapshot')
        ?.isPaused(),
    ).toBe(false);
  });
});
