/** How the arena page is served: whole, compressed, kept, and unable to run what is not its own. */

import { gunzipSync } from 'node:zlib';
import type { Hono } from 'hono';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildPage } from '../../scripts/build-page.mjs';
import { createApi } from '../../src/http/api.ts';
import { createRun, type TestRun, testConfig } from '../harness.ts';

const FIRST_VIEW_LIMIT_BYTES = 150_000;
const GZIP = { 'Accept-Encoding': 'gzip' };

let arena: TestRun;
let api: Hono;

beforeAll(async () => {
  [arena] = await Promise.all([createRun(), buildPage()]);
  api = createApi(arena.resources);
});

afterAll(() => arena?.close());

async function assets(): Promise<string[]> {
  const page = await (await api.request('/')).text();
  return [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, address]) => address ?? '');
}

describe('the arena page', () => {
  it('is one page at every address of its own', async () => {
    const [arenaView, modelView] = [await api.request('/'), await api.request('/models/anything')];
    expect(arenaView.status).toBe(200);
    expect(arenaView.headers.get('content-type')).toContain('text/html');
    expect(arenaView.headers.get('cache-control')).toBe('no-cache');
    const page = await arenaView.text();
    expect(await modelView.text()).toBe(page);
    expect(await (await api.request('/seasons')).text()).toBe(page);
  });

  it('lets nothing run that stands in it or comes from elsewhere', async () => {
    const response = await api.request('/');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("style-src 'self'");
    expect(policy).not.toContain('unsafe');
    const text = await response.text();
    expect(text).not.toMatch(/<script(?![^>]*\bsrc=)/);
    expect(text).not.toMatch(/<style|\sstyle=|\son\w+=/);
    expect(text).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });

  it('has files that are kept for good, and answers 304 to whoever has the page', async () => {
    const files = await assets();
    expect(files.length).toBe(4);
    for (const file of files) {
      const response = await api.request(file);
      expect(response.status, file).toBe(200);
      expect(response.headers.get('cache-control'), file).toContain('immutable');
      expect(file).toMatch(/-[0-9A-Za-z]{8}\.\w+$/);
    }
    const tag = (await api.request('/')).headers.get('etag') ?? '';
    expect((await api.request('/', { headers: { 'If-None-Match': tag } })).status).toBe(304);
    expect((await api.request('/assets/../index.html')).status).toBe(404);
    expect((await api.request('/assets/nothing.js')).status).toBe(404);
  });

  it(`takes less than ${FIRST_VIEW_LIMIT_BYTES / 1000} kB of compressed script`, async () => {
    const scripts = (await assets()).filter((file) => file.endsWith('.js'));
    expect(scripts).toHaveLength(1);
    const response = await api.request(scripts[0] ?? '', { headers: GZIP });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    const packed = Buffer.from(await response.arrayBuffer());
    expect(gunzipSync(packed).length).toBeGreaterThan(packed.length);
    expect(packed.length).toBeLessThan(FIRST_VIEW_LIMIT_BYTES);
  });

  it('is shown to whoever may read, and to nobody else', async () => {
    const config = testConfig({ NOF0_HTTP_TOKENS: 'carol:viewer:viewer-secret-0123456789' });
    const wide = createApi({ ...arena.resources, config }, { host: '0.0.0.0' });
    expect((await wide.request('/')).status).toBe(401);
    const headers = { Authorization: 'Bearer viewer-secret-0123456789' };
    expect((await wide.request('/', { headers })).status).toBe(200);
  });

  it('leads to the pages of operators where there are operators', async () => {
    const open = testConfig({ PUBLIC_READS: '1' });
    const wide = createApi({ ...arena.resources, config: open }, { host: '0.0.0.0' });
    expect(await (await wide.request('/')).text()).not.toContain('data-operators');
    expect(await (await api.request('/')).text()).toContain('data-operators');
  });

  it('is told whether it is the one of the equities desk', async () => {
    const { run } = arena.resources;
    const desk = createApi({ ...arena.resources, run: { ...run, kind: 'equities' } });
    expect(await (await desk.request('/')).text()).toContain('data-desk');
    expect(await (await api.request('/')).text()).not.toContain('data-desk');
  });
});
