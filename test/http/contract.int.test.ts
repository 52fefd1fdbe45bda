/** The published description against what the API does: every answer, any query, and what stands around an answer. */

import { gunzipSync } from 'node:zlib';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createApi } from '../../src/http/api.ts';
import { CONTROL_ENDPOINTS } from '../../src/http/control-endpoints.ts';
import { ENDPOINTS } from '../../src/http/endpoints.ts';
import { OPS_ENDPOINTS } from '../../src/http/ops-endpoints.ts';
import { startHttp } from '../../src/http/server.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';
import { MODELS, seed, seedOperations, seedSeason } from './arena.ts';
import * as shapes from './shapes.ts';

const [FIRST] = MODELS;
const FUZZ_SEED = 20_251_022;

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  await seedSeason(arena.resources);
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

const jsonSchema = z.record(z.string(), z.unknown());
const operation = z.object({
  parameters: z.array(z.looseObject({ name: z.string(), in: z.string(), required: z.boolean().optional() })).optional(),
  responses: z.record(
    z.string(),
    z.object({ content: z.record(z.string(), z.object({ schema: jsonSchema.optional() })).optional() }),
  ),
});
const documentSchema = z.object({
  openapi: z.literal('3.1.0'),
  components: z.object({ schemas: z.record(z.string(), jsonSchema) }),
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

async function published(): Promise<z.infer<typeof documentSchema>> {
  return documentSchema.parse(await (await api.request('/api/openapi.json')).json());
}

/** The API of the same run with other settings. */
function configured(env: Record<string, string>, host?: string): Hono {
  const { resources } = arena;
  return createApi({ ...resources, config: testConfig(env) }, host === undefined ? {} : { host });
}

describe('the published description', () => {
  it('holds every address, and every answer holds to it', async () => {
    const { paths, components } = await published();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const failure = ajv.compile(components.schemas.Failure ?? false);
    const read = ENDPOINTS.map(({ path }) => `/api${path}`);
    const reads = read.flatMap((path) => (paths[path]?.get ? [{ path, get: paths[path].get }] : []));
    expect(reads.map(({ path }) => path)).toEqual(read);
    for (const { path, get } of reads) {
      const schema = get.responses['200']?.content?.['application/json']?.schema;
      const validate = ajv.compile(schema ?? false);
      const response = await api.request(path.replace('{modelId}', FIRST));
      expect(response.status, path).toBe(200);
      expect(validate(await response.json()), `${path}: ${ajv.errorsText(validate.errors)}`).toBe(true);
      const strict = schema as { additionalProperties?: unknown; required?: unknown[] };
      expect(strict.additionalProperties, `${path} says which fields there are`).toBe(false);
      const wrong = await api.request(path.replace('{modelId}', 'nobody'), { method: 'DELETE' });
      expect(failure(await wrong.json()), path).toBe(true);
    }
  });

  it('leaves no route out, and names none that is not there', async () => {
    const { paths } = await published();
    const told = Object.entries(paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const isPage = (path: string) => /^\/(api)?$|^\/(assets|models|desk|seasons|ops|queues)(\/|$)/.test(path);
    const served = api.routes
      .filter(({ method, path }) => ['GET', 'POST'].includes(method) && !isPage(path))
      .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
    expect([...told].sort()).toEqual([...new Set(served)].sort());
  });

  it('holds what operators look at: with nothing to tell, with everything, and with a part away', async () => {
    const { paths } = await published();
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    const hold = async (path: string) => {
      const schema = paths[path]?.get?.responses['200']?.content?.['application/json']?.schema;
      const response = await api.request(path);
      expect(response.status, path).toBe(200);
      const validate = ajv.compile(schema ?? false);
      expect(validate(await response.json()), `${path}: ${ajv.errorsText(validate.errors)}`).toBe(true);
    };
    const all = [...OPS_ENDPOINTS.map(({ path }) => `/api/ops${path}`), '/healthz', '/readyz', '/api/openapi.json'];
    for (const path of all) await hold(path);
    await seedOperations(arena.resources);
    const overview = z.record(z.string(), z.unknown()).parse(await (await api.request('/api/ops/overview')).json());
    for (const part of ['slots', 'queues', 'failed', 'alerts', 'processes', 'traders'])
      expect(overview[part], part).not.toEqual([]);
    for (const path of all) await hold(path);
    const { db } = arena.resources;
    await db.query('ALTER TABLE processes RENAME TO processes_away');
    await hold('/api/ops/overview').finally(() => db.query('ALTER TABLE processes_away RENAME TO processes'));
  });

  it('would see an answer that is none', async () => {
    const { paths } = await published();
    const schema = paths['/api/leaderboard']?.get?.responses['200']?.content?.['application/json']?.schema;
    const validate = new Ajv2020({ strict: false }).compile(schema ?? false);
    expect(validate({ leaderboard: [{ id: FIRST }] })).toBe(false);
    expect(validate({ leaderboard: [], extra: 1 })).toBe(false);
  });

  it('names the queries with their limits as they are checked', async () => {
    const { paths } = await published();
    expect(paths['/api/trades']?.get?.parameters?.map(({ name }) => name)).toEqual([
      'model_id',
      'symbol',
      'since',
      'limit',
      'cursor',
    ]);
    const limit = paths['/api/trades']?.get?.parameters?.find(({ name }) => name === 'limit');
    expect(limit?.schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 1000 });
    expect(paths['/api/analytics/{modelId}']?.get?.parameters).toMatchObject([
      { name: 'modelId', in: 'path', required: true },
    ]);
    expect(Object.keys(paths).filter((path) => path.startsWith('/api/control/'))).toHaveLength(
      CONTROL_ENDPOINTS.length,
    );
  });
});

describe('any query', () => {
  const value = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.integer().map(String),
    fc.double().map(String),
    fc.constantFrom(
      '',
      '0',
      '-1',
      '1e309',
      'NaN',
      '%00',
      '\u0000',
      "' OR 1=1 --",
      FIRST,
      'BTC',
      '9'.repeat(40),
      'MTow',
    ),
    fc.base64String({ maxLength: 300 }),
    fc
      .tuple(fc.nat(), fc.string({ maxLength: 20 }))
      .map(([ts, id]) => Buffer.from(`${ts}:${id}`).toString('base64url')),
    fc.tuple(fc.maxSafeNat(), fc.string({ maxLength: 20 })).map(([slot, id]) => `${slot}_${id}`),
  );
  const names = [...new Set([...ENDPOINTS.flatMap(({ query }) => Object.keys(query.shape)), 'topics', 'colour'])];
  const query = fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 6 });
  const path = fc.constantFrom(...ENDPOINTS.map((endpoint) => endpoint.path), '/stream?topics=none&', '/nothing');

  it('gives an answer or a 4xx, and never a fault of the server', async () => {
    await fc.assert(
      fc.asyncProperty(path, value, query, async (to, model, pairs) => {
        const search = new URLSearchParams(pairs).toString();
        const address = `/api${to.replace('{modelId}', encodeURIComponent(Buffer.from(model).toString()))}`;
        const response = await api.request(`${address}${address.includes('?') ? '' : '?'}${search}`);
        expect(response.status).toBeLessThan(500);
        if (response.status >= 400) shapes.failure.parse(await response.json());
        else await response.body?.cancel();
      }),
      { seed: FUZZ_SEED, numRuns: 400 },
    );
  });

  it('also where its escapes are broken', async () => {
    for (const address of [
      '/api/trades?limit=%',
      '/api/trades?cursor=%E0%A4%A',
      '/api/analytics/%E0%A4%A',
      '/api/trades?=&&&=x',
    ])
      expect((await api.request(address)).status, address).toBeLessThan(500);
  });
});

describe('around an answer', () => {
  it('HEAD tells what GET would, without a body', async () => {
    for (const { path } of ENDPOINTS) {
      const address = `/api${path.replace('{modelId}', FIRST)}`;
      const [head, get] = [await api.request(address, { method: 'HEAD' }), await api.request(address)];
      expect([head.status, head.headers.get('etag')], path).toEqual([200, get.headers.get('etag')]);
      expect(await head.text()).toBe('');
    }
  });

  it('is compressed for those who take it, with the same tag', async () => {
    const plain = await api.request('/api/trades');
    const packed = await api.request('/api/trades', { headers: { 'Accept-Encoding': 'gzip' } });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(packed.headers.get('content-encoding')).toBe('gzip');
    expect(packed.headers.get('etag')).toBe(plain.headers.get('etag'));
    expect(packed.headers.get('vary')).toContain('Accept-Encoding');
    const unpacked = shapes.trades.parse(JSON.parse(gunzipSync(await packed.arrayBuffer()).toString()));
    expect(unpacked.trades).toEqual(shapes.trades.parse(await plain.json()).trades);
  });

  it('pages of other origins may read where that is configured, and control nowhere', async () => {
    const origin = 'https://arena.example';
    const ask = (app: Hono, from: string, init: RequestInit = {}, to = '/api/leaderboard') =>
      app.request(to, { ...init, headers: { Origin: from, ...init.headers } });
    expect((await ask(api, origin)).headers.get('access-control-allow-origin')).toBeNull();
    const some = configured({ NOF0_HTTP_CORS: origin });
    expect((await ask(some, origin)).headers.get('access-control-allow-origin')).toBe(origin);
    expect((await ask(some, origin)).headers.get('access-control-expose-headers')).toContain('ETag');
    expect((await ask(some, 'https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
    const any = configured({ NOF0_HTTP_CORS: '*' });
    expect((await ask(any, origin)).headers.get('access-control-allow-origin')).toBe('*');
    const preflight = { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'GET' } };
    expect((await ask(any, origin, preflight)).status).toBe(204);
    const control = { method: 'OPTIONS', headers: { 'Access-Control-Request-Method': 'POST' } };
    const refused = await ask(any, origin, control, '/api/control/halt');
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([405, null]);
  });

  it('who asks too often is told when to come back; others and this machine are not', async () => {
    const { resources } = arena;
    const config = testConfig({ NOF0_HTTP_RATE_LIMIT: '3' });
    const server = await startHttp({ ...resources, config }, { host: '127.0.0.1', port: 0 });
    const ask = (from?: string) =>
      fetch(`${server.url}/api/leaderboard`, { headers: from === undefined ? {} : { 'X-Forwarded-For': from } });
    try {
      const statuses = [];
      for (let i = 0; i < 4; i += 1) statuses.push((await ask('203.0.113.7')).status);
      expect(statuses).toEqual([200, 200, 200, 429]);
      // What the caller itself claims stands before what the proxy added.
      const refused = await ask('198.51.100.1, 203.0.113.7');
      expect(refused.status).toBe(429);
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
      expect(shapes.failure.parse(await refused.json()).error.code).toBe('NOF0_TOO_MANY_REQUESTS');
      expect((await ask('203.0.113.8')).status).toBe(200);
      for (let i = 0; i < 5; i += 1) expect((await ask()).status).toBe(200);
      const probe = await fetch(`${server.url}/healthz`, { headers: { 'X-Forwarded-For': '203.0.113.7' } });
      expect(probe.status).toBe(200);
    } finally {
      await server.close();
    }
  });
});
