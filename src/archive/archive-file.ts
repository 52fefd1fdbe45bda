/**
 * Archive files: gzip of lines, each a table's name, a tab and a row as JSON. `zcat FILE | cut -f2-` shows the rows. A file that has its
 * name is whole and on the disk.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import type { Digest } from '../store/archives.ts';
import { crossing, pass } from '../telemetry/boundaries.ts';

export type Take = (table: string, lines: readonly string[]) => Promise<void>;
export type FileFacts = {
  readonly bytes: number;
  readonly sha256: string;
  readonly tables: Readonly<Record<string, Digest>>;
};

/** Rows handed on together when a file is read. */
const GROUP_ROWS = 2000;

/** What this module writes, drafts too. */
const OURS = /^\.?[a-z]+-\d{4}-\d\d-\d\d[.-].+(\.jsonl\.gz|\.tmp)$/;

/**
 * Writes a file and returns its name, which begins with `stem`, and what is in it. No two files ever have the same name, so nobody can
 * take away another's.
 */
export async function writeArchiveFile(
  dir: string,
  stem: string,
  produce: (take: Take) => Promise<void>,
): Promise<FileFacts & { readonly file: string }> {
  await mkdir(dir, { recursive: true });
  const name = `${stem}-${randomBytes(6).toString('hex')}`;
  const draft = path.join(dir, `.${name}.tmp`);
  try {
    const [checksum, gzip, counted] = [new Checksum(), createGzip(), new Counted()];
    const written = pipeline(gzip, checksum, createWriteStream(draft, { mode: 0o640 }));
    // Whoever produces learns of a full disk from its next write, and everybody from the end.
    written.catch(() => {});
    await produce(async (table, lines) => {
      counted.add(table, lines);
      const text = lines.map((line) => `${table}\t${line}\n`).join('');
      if (!gzip.write(text)) await Promise.race([once(gzip, 'drain'), written]);
      pass('write archive rows', 'after');
    });
    gzip.end();
    await written;
    await crossing('sync archive file', () => sync(draft));
    const file = `${name}.jsonl.gz`;
    await crossing('name archive file', () => rename(draft, path.join(dir, file)));
    await crossing('sync archive folder', () => sync(dir));
    return { file, bytes: checksum.bytes, sha256: checksum.hex, tables: counted.digests };
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Reads a whole file. Throws what the file system or the decompression says of one that is not there or broken. */
export async function readArchiveFile(dir: string, file: string, take: Take = async () => {}): Promise<FileFacts> {
  const [checksum, counted] = [new Checksum(), new Counted()];
  await pipeline(createReadStream(path.join(dir, file)), checksum, createGunzip(), async (source) => {
    for await (const [table, lines] of groups(source)) {
      counted.add(table, lines);
      await take(table, lines);
    }
  });
  return { bytes: checksum.bytes, sha256: checksum.hex, tables: counted.digests };
}

export async function removeArchiveFile(dir: string, file: string): Promise<void> {
  await rm(path.join(dir, file), { force: true });
}

/** Removes what processes that died have left behind: files older than `ageMs` (wall time) that are not on the list. */
export async function removeLeftovers(dir: string, listed: ReadonlySet<string>, ageMs: number): Promise<void> {
  const names = await readdir(dir).catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((each) => OURS.test(each) && !listed.has(each))) {
    const { mtimeMs } = await stat(path.join(dir, name));
    if (Date.now() - mtimeMs > ageMs) await rm(path.join(dir, name), { force: true });
  }
}

/** Rows of one table at a time. Lines end with a line feed alone: JSON may hold what else ends lines elsewhere. */
async function* groups(source: AsyncIterable<Buffer>): AsyncGenerator<[string, string[]]> {
  const decoder = new TextDecoder();
  let [rest, current, lines]: [string, string, string[]] = ['', '', []];
  for await (const chunk of source) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) {
      const tab = part.indexOf('\t');
      const table = part.slice(0, tab);
      if (lines.length > 0 && (table !== current || lines.length === GROUP_ROWS)) {
        yield [current, lines];
        lines = [];
      }
      current = table;
      lines.push(part.slice(tab + 1));
    }
  }
  if (lines.length > 0) yield [current, lines];
}

class Checksum extends Transform {
  readonly #hash = createHash('sha256');
  bytes = 0;
  #hex: string | null = null;

  override _transform(chunk: Buffer, _encoding: string, next: (error: null, chunk: Buffer) => void): void {
    this.#hash.update(chunk);
    this.bytes += chunk.length;
    next(null, chunk);
  }

  get hex(): string {
    this.#hex ??= this.#hash.digest('hex');
    return this.#hex;
  }
}

/** The same figures as the database gives of its rows, see `Digest`. */
class Counted {
  readonly #tables = new Map<string, { rows: number; sum: bigint }>();

  add(table: string, lines: readonly string[]): void {
    const counted = this.#tables.get(table) ?? { rows: 0, sum: 0n };
    for (const line of lines) counted.sum += BigInt(`0x${createHash('md5').update(line).digest('hex').slice(0, 13)}`);
    counted.rows += lines.length;
    this.#tables.set(table, counted);
  }

  get digests(): Record<string, Digest> {
    return Object.fromEntries([...this.#tables].map(([table, { rows, sum }]) => [table, { rows, sum: String(sum) }]));
  }
}

async function sync(name: string): Promise<void> {
  const handle = await open(name, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
