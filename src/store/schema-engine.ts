/**
 * Prisma's own schema engine as WebAssembly, so that migrating needs no download and no native binary. It keeps the
 * `_prisma_migrations` table, hence the Prisma command line stays usable beside it.
 */

import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as engineModule from '@prisma/schema-engine-wasm/schema_engine_bg';

/** Node has WebAssembly; its types come only with the browser's library, which server code should not see. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: Record<string, never>): Promise<{ instance: { exports: unknown } }>;
};

const require = createRequire(import.meta.url);
const PRISMA_DIR = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../prisma');
const NO_FILTER = { externalTables: [], externalEnums: [] };

let wasmReady: Promise<void> | undefined;

/** The engine's module is loaded at the first migration only: most commands never need it. */
function loadEngine(): Promise<void> {
  wasmReady ??= (async () => {
    const bytes = await readFile(
      require.resolve('@prisma/schema-engine-wasm/schema_engine_bg').replace(/\.js$/, '.wasm'),
    );
    const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': engineModule as never });
    engineModule.__wbg_set_wasm(instance.exports);
    (instance.exports as { __wbindgen_start(): void }).__wbindgen_start();
  })();
  return wasmReady;
}

async function migrationsList(only?: readonly string[]) {
  const baseDir = path.join(PRISMA_DIR, 'migrations');
  const names = (await readdir(baseDir, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && (only?.includes(entry.name) ?? true))
    .map((entry) => entry.name);
  const migrationDirectories = await Promise.all(
    names.sort().map(async (name) => ({
      path: name,
      migrationFile: {
        path: 'migration.sql',
        content: { tag: 'ok' as const, value: await readFile(path.join(baseDir, name, 'migration.sql'), 'utf8') },
      },
    })),
  );
  const lockfile = {
    path: 'migration_lock.toml',
    content: await readFile(path.join(baseDir, 'migration_lock.toml'), 'utf8'),
  };
  return { baseDir, lockfile, shadowDbInitScript: '', migrationDirectories };
}

/**
 * The adapter's own `executeScript` cuts at every semicolon, which tears function bodies apart and leaves half a migration
 * behind when a later statement fails. Sent whole, a script is one implicit transaction.
 */
function wholeScripts(databaseUrl: string): PrismaPg {
  // The pool of the engine must not keep idle clients: they would hold the process for ten seconds.
  const factory = new PrismaPg({ connectionString: databaseUrl, idleTimeoutMillis: 50 });
  const connect = factory.connect.bind(factory);
  factory.connect = async () => {
    const adapter = await connect();
    adapter.executeScript = async (script) => {
      await adapter.underlyingDriver().query(script);
    };
    return adapter;
  };
  return factory;
}

async function withEngine<T>(databaseUrl: string, use: (engine: engineModule.SchemaEngine) => Promise<T>): Promise<T> {
  await loadEngine();
  const schema = await readFile(path.join(PRISMA_DIR, 'schema.prisma'), 'utf8');
  const factory = bindMigrationAwareSqlAdapterFactory(wholeScripts(databaseUrl));
  const engine = await engineModule.SchemaEngine.new({ datamodels: [['schema.prisma', schema]] }, () => {}, factory);
  try {
    return await use(engine);
  } finally {
    engine.free();
  }
}

/** Applies every migration the database does not have yet, or those of them that are named. Returns their names; none when it is up to date. */
export function applyMigrations(databaseUrl: string, only?: readonly string[]): Promise<string[]> {
  return withEngine(databaseUrl, async (engine) => {
    const output = await engine.applyMigrations({ migrationsList: await migrationsList(only), filters: NO_FILTER });
    return output.appliedMigrationNames;
  });
}

/** Names of all migrations of this version, oldest first. */
export async function knownMigrations(): Promise<string[]> {
  return (await migrationsList()).migrationDirectories.map((directory) => directory.path);
}

/** The SQL that makes an empty database into what `schema.prisma` says (without what Prisma cannot say). */
export function schemaDdl(databaseUrl: string): Promise<string> {
  return withEngine(databaseUrl, async (engine) => {
    const schema = await readFile(path.join(PRISMA_DIR, 'schema.prisma'), 'utf8');
    const result = await engine.diff({
      from: { tag: 'empty' },
      to: {
        tag: 'schemaDatamodel',
        files: [{ path: 'schema.prisma', content: schema }],
        configDir: PRISMA_DIR,
      } as never,
      script: true,
      exitCode: null,
      filters: NO_FILTER,
    } as never);
    return result.stdout ?? '';
  });
}
