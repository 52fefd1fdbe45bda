/**
 * The arena page. Its files are built by `scripts/build-page.mjs`, held in memory and sent compressed; names of scripts, styles and fonts
 * change with their content, so browsers keep them for good and ask for the page alone.
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Context, Hono } from 'hono';
import { sha256 } from '../domain/random.ts';
import type { Access } from './access.ts';
import { unknownRoute } from './failure.ts';
import { PAGE_POLICY } from './security-headers.ts';

const DIST = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** No text becomes a script or a document, not even by mistake: what models wrote is shown, not run. */
const POLICY = `${PAGE_POLICY}; require-trusted-types-for 'script'`;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

type File = {
  readonly plain: Buffer<ArrayBuffer>;
  readonly packed: Buffer<ArrayBuffer> | null;
  readonly type: string;
  readonly tag: string;
};

/** What the page is told by attributes of its body: pages of operators are linked where there are any, and a desk has a page of its own. */
type Marks = Readonly<Record<'data-operators' | 'data-desk', boolean>>;

/** Addresses that the page itself tells apart. */
const VIEWS = ['/', '/models/:modelId', '/seasons'];

/** `isDesk`: the run is one of the equities desk. */
export function pageRoutes({ reads, hasControls }: Access, isDesk: boolean): Hono {
  const routes = new Hono();
  let files: ReadonlyMap<string, File> | null = null;
  const file = (name: string): File | undefined => {
    files ??= load({ 'data-operators': hasControls, 'data-desk': isDesk });
    return files?.get(name);
  };
  for (const view of VIEWS)
    routes.get(view, reads, (c) => {
      const page = file('index.html');
      return page === undefined ? notBuilt(c) : send(c, page, 'no-cache');
    });
  routes.get('/assets/:name', (c) => {
    const asset = file(`assets/${c.req.param('name')}`);
    return asset === undefined ? unknownRoute(c) : send(c, asset, 'public, max-age=31536000, immutable');
  });
  return routes;
}

/** Null when the page has not been built. Read again until it is: a start does not wait for the build. */
function load(marks: Marks): ReadonlyMap<string, File> | null {
  try {
    const names = readdirSync(DIST, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      names.map((entry) => {
        const full = path.join(entry.parentPath, entry.name);
        return [path.relative(DIST, full).split(path.sep).join('/'), read(full, marks)] as const;
      }),
    );
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

function read(full: string, marks: Marks): File {
  const stored = readFileSync(full);
  const plain = full.endsWith('.html') ? Buffer.from(marked(stored.toString(), marks)) : stored;
  const type = TYPES[path.extname(full)] ?? 'application/octet-stream';
  // Fonts are compressed already.
  const packed = full.endsWith('.woff2') ? null : gzipSync(plain, { level: 9 });
  return { plain, packed, type, tag: `"${sha256(plain.toString('latin1')).slice(0, 32)}"` };
}

/** The page with the marks that hold. */
function marked(page: string, marks: Marks): string {
  return Object.entries(marks).reduce((text, [mark, holds]) => (holds ? text : text.replace(` ${mark}`, '')), page);
}

function send(c: Context, { plain, packed, type, tag }: File, caching: string) {
  const headers = { 'Content-Security-Policy': POLICY, ETag: tag, 'Cache-Control': caching, Vary: 'Accept-Encoding' };
  if (c.req.header('if-none-match') === tag) return c.body(null, 304, headers);
  const packs = packed !== null && c.req.header('accept-encoding')?.includes('gzip') === true;
  const encoding = packs ? { 'Content-Encoding': 'gzip' } : {};
  return c.body(packs ? packed : plain, 200, { ...headers, ...encoding, 'Content-Type': type });
}

function notBuilt(c: Context) {
  const text =
    'The arena page is not built. Run "npm run prepare" and load it again; /api lists what there is meanwhile.\n';
  return c.text(text, 503, { 'Cache-Control': 'no-store' });
}
