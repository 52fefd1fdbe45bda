/** The operators' page, the dashboard and what both show: who may look, who may act, and what is never shown. */

import { readFileSync } from 'node:fs';
import type { Hono } from 'hono';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createApi } from '../../src/http/api.ts';
import { startHttp } from '../../src/http/server.ts';
import { recentAudit } from '../../src/store/audit.ts';
import { buryJob, listDeadLetters } from '../../src/store/dead-letters.ts';
import { createRun, REPO, type TestRun, testConfig } from '../harness.ts';
import { MODELS, seed } from './arena.ts';

const [FIRST] = MODELS;
const OPERATOR = 'operator-secret-0123456789';
const VIEWER = 'viewer-secret-0123456789';
const WEBHOOK = 'webhook-secret-0123456789';
const ENV = {
  NOF0_HTTP_TOKENS: `carol:operator:${OPERATOR}, dave:viewer:${VIEWER}`,
  NOF0_WEBHOOK_URL: 'http://127.0.0.1:9/hook',
  NOF0_WEBHOOK_SECRET: WEBHOOK,
};
const READS = [
  '/ops',
  '/ops/ops.js',
  '/ops/ops.css',
  '/api/ops/overview',
  '/api/ops/failed',
  '/api/ops/runs',
  '/api/ops/audit',
];
const AS = {
  anonymous: {},
  viewer: { Authorization: `Bearer ${VIEWER}` },
  operator: { Authorization: `Bearer ${OPERATOR}` },
} satisfies Record<string, Record<string, string>>;
type Who = keyof typeof AS;

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  arena = await createRun();
  await seed(arena.resources);
  api = createApi({ ...arena.resources, config: testConfig(ENV) });
});
afterAll(() => arena?.close());
beforeEach(() => arena.resources.db.query('TRUNCATE audit_log, dead_letters, job_runs, effects'));

const get = (path: string, who: Who = 'operator', app = api) => app.request(path, { headers: AS[who] });
const post = (path: string, body: unknown, who: Who) =>
  api.request(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json', ...AS[who] },
  });
async function read(path: string, who: Who = 'operator') {
  const response = await get(path, who);
  expect(response.status, path).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

async function bury(id: string, error = 'it broke', payload: object = {}): Promise<number> {
  const letter = { job: 'snapshot', identity: id, jobId: id, modelId: FIRST, errorCode: 'NOF0_INTERNAL' };
  const data = { v: 1, modelId: FIRST, asOfMs: 1_760_738_400_000, ...payload };
  await buryJob(arena.resources.db, { ...letter, payload: data, errorMessage: error, attempts: 3, stalls: 0 }, null);
  return (await listDeadLetters(arena.resources.db, { limit: 1 }))[0]?.id ?? 0;
}

const audited = async () =>
  (await recentAudit(arena.resources.db, 10)).map(({ who, what, target }) => ({ who, what, target }));

describe('looking', () => {
  it.each(READS)('%s takes a credential', async (path) => {
    expect((await get(path, 'anonymous')).status).toBe(401);
    expect((await get(path, 'viewer')).status).toBe(200);
    expect((await get(path, 'operator')).status).toBe(200);
    expect((await api.request(path, { method: 'DELETE', headers: AS.operator })).status).toBe(405);
  });

  it('does not exist beyond loopback where nobody may control', async () => {
    const open = createApi({ ...arena.resources, config: testConfig({ PUBLIC_READS: '1' }) }, { host: '0.0.0.0' });
    for (const path of READS) expect((await get(path, 'anonymous', open)).status, path).toBe(404);
  });

  it('shows servers, slots, queues, effects, failed jobs and traders, and who looks', async () => {
    await bury('one');
    await arena.resources.db.query(
      `INSERT INTO schedules (name, job, spec, last_slot_ms) VALUES ('snapshot:x', 'snapshot', '{"everyMs":60000}', (extract(epoch FROM now()) * 1000)::bigint - 600000)
       ON CONFLICT (name) DO NOTHING`,
    );
    const overview = await read('/api/ops/overview', 'viewer');
    expect(overview).toMatchObject({
      run: { kind: 'synthetic', trading: 'paper' },
      caller: { name: 'dave', role: 'viewer' },
      servers: { postgres: 'up', queue: 'up', cache: 'up' },
      failed: [{ job: 'snapshot', count: 1 }],
      effects: { pending: [], stuck: [] },
      missing: {},
    });
    expect((overview.traders as { traderId: string }[]).map(({ traderId }) => traderId)).toEqual([...MODELS]);
    const [slot] = overview.slots as { name: string; lagMs: number }[];
    expect(slot?.name).toBe('snapshot:x');
    expect(slot?.lagMs).toBeGreaterThan(500_000);
    expect((overview.queues as { queue: string }[]).map(({ queue }) => queue)).toContain('decision-cycle');
  });

  it('shows what answers while the rest is away', async () => {
    const { db } = arena.resources;
    await db.query('ALTER TABLE schedules RENAME TO schedules_away');
    try {
      const overview = await read('/api/ops/overview');
      expect(overview).toMatchObject({
        slots: null,
        missing: { slots: expect.stringContaining('schedules') },
        failed: [],
      });
    } finally {
      await db.query('ALTER TABLE schedules_away RENAME TO schedules');
    }
  });

  it('finds runs by job, model, outcome, error and time', async () => {
    await arena.resources.db.query(
      `INSERT INTO job_runs (queue, job, job_id, attempt, outcome, model_id, started_at, finished_at, error_code, error_message, payload)
       SELECT j, j, j || n, 1, o, $1, now() - n * interval '1 hour', now() - n * interval '1 hour', CASE o WHEN 'failed' THEN 'NOF0_INTERNAL' END, 'broke ' || n, '{}'
       FROM (VALUES ('snapshot', 1, 'done'), ('snapshot', 2, 'failed'), ('analytics', 3, 'done')) AS r(j, n, o)`,
      [FIRST],
    );
    const ids = async (query: string) =>
      ((await read(`/api/ops/runs?${query}`)).runs as { jobId: string }[]).map(({ jobId }) => jobId);
    expect(await ids('')).toEqual(['snapshot1', 'snapshot2', 'analytics3']);
    expect(await ids('job=snapshot&outcome=failed')).toEqual(['snapshot2']);
    expect(await ids('error=BROKE 3')).toEqual(['analytics3']);
    expect(await ids(`sinceMs=${Date.now() - 5_400_000}&model=${FIRST}`)).toEqual(['snapshot1']);
    expect(await ids('limit=1')).toEqual(['snapshot1']);
    expect((await get('/api/ops/runs?outcome=nonsense&limit=9999')).status).toBe(400);
  });
});

describe('acting', () => {
  const flatten = { model: FIRST, waitMs: 0 };

  it('is refused to anonymous and viewers, and nothing happens', async () => {
    const id = await bury('one');
    for (const [who, status] of [
      ['anonymous', 401],
      ['viewer', 403],
    ] as const) {
      expect((await post('/api/control/redrive', { ids: [id] }, who)).status).toBe(status);
      expect((await post('/api/control/flatten', flatten, who)).status).toBe(status);
      expect((await post('/api/control/pause', { target: 'all' }, who)).status).toBe(status);
      for (const [method, path] of [
        ['PUT', '/queues/api/queues/snapshot/one/retry/failed'],
        ['PUT', '/queues/api/queues/snapshot/one/clean'],
        ['PUT', '/queues/api/queues/snapshot/empty'],
        ['PUT', '/queues/api/queues/snapshot/obliterate'],
        ['POST', '/queues/api/queues/snapshot/add'],
      ] as const)
        expect((await api.request(path, { method, headers: AS[who] })).status, `${who} ${path}`).toBe(status);
    }
    expect(await audited()).toEqual([]);
    expect(await listDeadLetters(arena.resources.db, { limit: 10 })).toHaveLength(1);
  });

  it('of an operator is done once and stands in the log with name and moment', async () => {
    const id = await bury('one');
    const body = (await (await post('/api/control/redrive', { ids: [id] }, 'operator')).json()) as object;
    expect(body).toEqual({ ids: [id], already: [], unknown: [] });
    expect(await audited()).toEqual([{ who: 'carol', what: 'redrive', target: 'dead letters' }]);
    const { audit } = await read('/api/ops/audit', 'viewer');
    const [entry] = audit as { who: string; at: string }[];
    expect(entry?.who).toBe('carol');
    expect(Math.abs(Date.parse(entry?.at ?? '') - Date.now())).toBeLessThan(60_000);
    expect(await read('/api/ops/failed')).toMatchObject({ failed: [] });
  });

  it('in the dashboard is offered to operators alone', async () => {
    const boards = async (who: Who) =>
      ((await (await get('/queues/api/queues', who)).json()) as { queues: { readOnlyMode: boolean }[] }).queues;
    expect((await boards('viewer')).every(({ readOnlyMode }) => readOnlyMode)).toBe(true);
    expect((await boards('operator')).some(({ readOnlyMode }) => readOnlyMode)).toBe(false);
  });
});

describe('the dashboard over a real connection', () => {
  it('answers whole, with its files and nothing of others', async () => {
    const server = await startHttp({ ...arena.resources, config: testConfig(ENV) }, { host: '127.0.0.1', port: 0 });
    try {
      const whole = async (path: string) => {
        const response = await fetch(`${server.url}${path}`, { headers: AS.operator });
        expect(response.status, path).toBe(200);
        return response.text();
      };
      const page = await whole('/queues');
      expect(page).not.toMatch(/https?:\/\//);
      const files = [...page.matchAll(/(?:src|href)="(static\/[^"]+)"/g)].map(([, file]) => `/queues/${file}`);
      expect(files.length).toBeGreaterThan(3);
      for (const file of [...files, '/queues/static/locales/en-US/messages.json'])
        expect(await whole(file)).not.toBe('');
      expect(JSON.parse(await whole('/queues/api/queues'))).toHaveProperty('queues');
    } finally {
      await server.close();
    }
  });

  it('refuses a page of others that brings the right password along', async () => {
    const headers = { ...AS.operator, 'Sec-Fetch-Site': 'cross-site' };
    for (const [method, path] of [
      ['PUT', '/queues/api/queues/snapshot/pause'],
      ['POST', '/api/control/pause'],
    ] as const)
      expect((await api.request(path, { method, headers })).status, path).toBe(403);
    expect(await audited()).toEqual([]);
  });
});

describe('secrets', () => {
  const LEAK = { password: 'hunter2-hunter2', note: `posted with ${WEBHOOK}`, url: 'postgres://u:pa55word@db/x' };
  const shown = (text: string) => [WEBHOOK, 'hunter2', 'pa55word', OPERATOR].filter((secret) => text.includes(secret));

  it('stay out of failed jobs and runs', async () => {
    await bury('one', `could not reach redis://:pa55word@cache:6379 as Bearer ${OPERATOR}`, LEAK);
    await arena.resources.db.query(
      `INSERT INTO job_runs (queue, job, job_id, attempt, outcome, started_at, finished_at, error_message, payload) VALUES ('x', 'x', 'x', 1, 'failed', now(), now(), $1, $2)`,
      [LEAK.note, JSON.stringify(LEAK)],
    );
    for (const path of ['/api/ops/failed', '/api/ops/runs']) {
      const text = await (await get(path)).text();
      expect(text).toContain('***');
      expect(shown(text), path).toEqual([]);
    }
  });

  it('stay out of the dashboard: payloads, reasons, stacks and logs', async () => {
    const queue = arena.resources.queues.all().find(({ name }) => name === 'analytics');
    const job = await queue?.add('analytics', { v: 1, ...LEAK }, { jobId: 'leaky' });
    await job?.log(LEAK.url);
    for (const path of [
      '/queues/api/queues?activeQueue=analytics&status=waiting',
      '/queues/api/queues/analytics/leaky',
      '/queues/api/queues/analytics/leaky/logs',
    ]) {
      const text = await (await get(path)).text();
      expect(text, path).toContain('***');
      expect(shown(text), path).toEqual([]);
    }
    await queue?.obliterate({ force: true });
  });
});

describe('headers', () => {
  it('give every page a strict content policy and no frame', async () => {
    for (const path of ['/', '/ops', '/queues']) {
      const { headers } = await get(path);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy, path).toMatch(/default-src 'none'; script-src 'self';/);
      expect(policy, path).not.toMatch(/script-src[^;]*unsafe/);
      expect(policy, path).toContain("frame-ancestors 'none'");
      expect(headers.get('x-frame-options'), path).toBe('DENY');
      expect(headers.get('referrer-policy'), path).toBe('no-referrer');
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    }
    expect((await get('/ops')).headers.get('content-security-policy')).not.toContain('unsafe');
  });

  it('let no answer act as a page', async () => {
    for (const path of ['/api/leaderboard', '/api/ops/overview', '/healthz', '/nothing', '/ops/ops.js']) {
      const { headers } = await get(path);
      expect(headers.get('content-security-policy'), path).toBe("default-src 'none'; frame-ancestors 'none'");
      expect(headers.get('x-content-type-options'), path).toBe('nosniff');
    }
  });

  it('hold for the page: it has nothing inline, and its script writes text, never markup', () => {
    const page = readFileSync(`${REPO}/src/http/pages/ops.html`, 'utf8');
    expect(page).not.toMatch(/<script(?![^>]*src=)|<style|\sstyle=|\son[a-z]+=/i);
    for (const name of ['ops', 'ops-view', 'ops-controls'])
      expect(readFileSync(`${REPO}/src/http/pages/${name}.js`, 'utf8')).not.toMatch(
        /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/,
      );
  });
});
