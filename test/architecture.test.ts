/** The rooms of the house: who may know whom, and that importing a file starts nothing. Read from the imports themselves. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const REPO = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** `later`: loaded when the line is reached, not with the file. */
type Import = { readonly file: string; readonly to: string; readonly typeOnly: boolean; readonly later: boolean };

/** What each room may import beside itself. `config`, `errors` and `telemetry` are judged by rules of their own. */
const MAY_KNOW: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  config: ['domain'],
  errors: [],
  telemetry: [],
  jobs: ['domain'],
  store: ['domain'],
  // The queue producer belongs to `redis` and adds what the contracts say.
  redis: ['domain', 'jobs'],
  // Files beside the rows; what goes into them is loaded by who calls it.
  journal: ['domain'],
  projections: ['store', 'redis', 'domain'],
  // What market and exchange of one provider share: its addresses, its client, the shape of its bodies.
  hyperliquid: ['domain'],
  market: ['domain', 'hyperliquid'],
  exchange: ['domain', 'store', 'hyperliquid'],
  llm: ['domain'],
  engine: ['domain', 'store', 'jobs', 'market', 'exchange', 'llm'],
  http: ['domain', 'engine', 'projections', 'jobs', 'resources', 'import'],
  // Those outside who are handed the trades of the stream, and those who are told what is wrong.
  consumers: ['redis', 'domain', 'store'],
  cli: [
    'archive',
    'domain',
    'engine',
    'projections',
    'jobs',
    'resources',
    'http',
    'import',
    'consumers',
    'doctor',
    'embedded',
    'run',
  ],
  // The files of the original, read into the tables.
  import: ['domain', 'store', 'jobs', 'engine'],
  // Files of rows that have left the tables, and the way back.
  archive: ['domain', 'store'],
  // What the platform does for itself: a kind of handler that many processes share.
  maintenance: ['archive', 'domain', 'engine', 'projections', 'jobs', 'resources', 'store'],
  // Looks at machine and servers for an operator, and changes nothing.
  doctor: ['store', 'redis', 'embedded', 'run'],
  workers: ['domain', 'engine', 'projections', 'jobs', 'resources', 'maintenance', 'effect-handlers'],
  embedded: [],
};

/** Files that put the rooms together may know all of them. */
const COMPOSITION_ROOTS = ['src/resources.ts', 'src/doors.ts', 'src/run.ts', 'src/effect-handlers.ts'];

/** Where today's tree knows more than the plan gave it, each with its reason. A line that is no longer needed fails the test. */
const DEVIATIONS: Readonly<Record<string, string>> = {
  'cli -> store': 'operators look at and repair rows: migrations, the run, the outbox, schedules',
  'cli -> market': 'a new replay asks its recording where it begins and ends',
  'http -> store': 'older pages and filters are answered by Postgres',
  'workers -> store': 'the pipeline acknowledges effects, the scheduler moves cursors',
  'workers -> redis': 'a worker connects to the queue',
  'workers -> cli': 'workers/cli.ts hands the processes to the command line, because nothing in src imports workers',
};

/** Rooms that run configuration code, beyond its types. */
const READS_CONFIG = ['cli', 'config', 'resources', 'run'];

/** Libraries without I/O that the domain may use, each in one file. */
const PURE_LIBRARIES: Readonly<Record<string, string>> = {
  croner: 'src/domain/cron.ts',
};

const QUEUE_LIBRARIES = ['bullmq', 'ioredis'];
/** `embedded` asks the servers it starts whether they answer. */
const QUEUE_LIBRARY_USERS = /^(src\/redis\/|src\/http\/dashboard\.ts$|src\/embedded\/redis\.ts$|workers\/)/;
const POSTGRES_USERS = /^(src\/store\/|src\/run\.ts$|src\/embedded\/postgres\.ts$)/;

function sourceFiles(): string[] {
  return ['src', 'workers'].flatMap((root) =>
    readdirSync(path.join(REPO, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.includes('generated'))
      .map((name) => path.posix.join(root, name)),
  );
}

const FILES = sourceFiles();
const TEXT = new Map(FILES.map((file) => [file, readFileSync(path.join(REPO, file), 'utf8')]));

/** `import … from`, `export … from`, bare imports and dynamic ones. */
const STATEMENT = /^[ \t]*(?:import|export)\s+(type\s)?([^'";]*?)\s*from\s+'([^']+)'/gm;
const BARE = /^[ \t]*import\s+'([^']+)'/gm;
const DYNAMIC = /\bimport\(\s*'([^']+)'/g;

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  const add = (specifier: string, typeOnly: boolean, later = false) => {
    const to = specifier.startsWith('.') ? path.posix.join(path.posix.dirname(file), specifier) : specifier;
    found.push({ file, to, typeOnly, later });
  };
  for (const [, type, names, specifier] of text.matchAll(STATEMENT))
    add(specifier ?? '', type !== undefined || onlyTypes(names ?? ''));
  for (const [, specifier] of text.matchAll(BARE)) add(specifier ?? '', false);
  for (const [, specifier] of text.matchAll(DYNAMIC)) add(specifier ?? '', false, true);
  return found;
}

/** `{ type A, type B }` imports nothing that runs. */
function onlyTypes(names: string): boolean {
  const listed = /^\{([\s\S]*)\}$/.exec(names.trim())?.[1];
  if (listed === undefined) return false;
  const parts = listed.split(',').map((part) => part.trim());
  return parts.filter((part) => part !== '').every((part) => part.startsWith('type '));
}

const IMPORTS = FILES.flatMap((file) => importsOf(file, TEXT.get(file) ?? ''));

const isOurs = (to: string) => to.startsWith('src/') || to.startsWith('workers/');
/** `src/jobs/x.ts` → jobs, `src/config.ts` and `src/config/x.ts` → config, `workers/x.ts` → workers. */
function roomOf(file: string): string {
  const [root, second] = file.split('/');
  return root === 'src' ? (second ?? '').replace(/\.ts$/, '') : (root ?? '');
}
const show = ({ file, to, typeOnly }: Import) => `${file} imports ${typeOnly ? 'types of ' : ''}${to}`;
/** `pg` and `pg/lib/x` are both `pg`. */
const isPackage = (to: string, name: string) => to === name || to.startsWith(`${name}/`);

describe('the scan itself', () => {
  it('sees every way of importing and knows types from values', () => {
    const text = [
      "import a, { b } from '../errors.ts';",
      "import type { C } from './c.ts';",
      "import {\n  type D,\n  type E,\n} from 'bullmq';",
      "export type { F } from './f.ts';",
      "import 'side-effect';",
      "const g = await import('./g.ts');",
    ].join('\n');
    expect(importsOf('src/jobs/x.ts', text).map(show)).toEqual([
      'src/jobs/x.ts imports src/errors.ts',
      'src/jobs/x.ts imports types of src/jobs/c.ts',
      'src/jobs/x.ts imports types of bullmq',
      'src/jobs/x.ts imports types of src/jobs/f.ts',
      'src/jobs/x.ts imports side-effect',
      'src/jobs/x.ts imports src/jobs/g.ts',
    ]);
  });

  it('finds the files and all their targets', () => {
    expect(FILES.length).toBeGreaterThan(100);
    expect(
      IMPORTS.filter(({ to }) => isOurs(to) && !TEXT.has(to) && !to.includes('/generated/')).map(show),
      'imports that lead nowhere',
    ).toEqual([]);
  });
});

describe('who may know whom', () => {
  const crossings = IMPORTS.filter(
    ({ file, to }) => isOurs(to) && roomOf(file) !== roomOf(to) && !COMPOSITION_ROOTS.includes(file),
  );
  const judged = crossings.filter(({ to }) => !['config', 'errors', 'telemetry'].includes(roomOf(to)));

  it('gives every room a rule', () => {
    const rooms = new Set(FILES.map(roomOf).filter((room) => !COMPOSITION_ROOTS.includes(`src/${room}.ts`)));
    expect([...rooms].filter((room) => !(room in MAY_KNOW))).toEqual([]);
  });

  it('lets a room import only the rooms it may know', () => {
    const strangers = judged.filter(({ file, to }) => {
      const [from, target] = [roomOf(file), roomOf(to)];
      return !MAY_KNOW[from]?.includes(target) && !(`${from} -> ${target}` in DEVIATIONS);
    });
    expect(strangers.map(show)).toEqual([]);
  });

  it('keeps no deviation longer than it is needed', () => {
    const used = new Set(judged.map(({ file, to }) => `${roomOf(file)} -> ${roomOf(to)}`));
    expect(Object.keys(DEVIATIONS).filter((deviation) => !used.has(deviation))).toEqual([]);
  });

  it('lets nothing in src import workers', () => {
    expect(IMPORTS.filter(({ file, to }) => file.startsWith('src/') && to.startsWith('workers/')).map(show)).toEqual(
      [],
    );
  });

  it('lets the workers meet the command line in one file only', () => {
    const others = IMPORTS.filter(({ file, to }) => roomOf(to) === 'cli' && file !== 'workers/cli.ts');
    expect(others.filter(({ file }) => roomOf(file) === 'workers').map(show)).toEqual([]);
  });

  it('lets only the command line and the composition roots run configuration code; everybody may use its types', () => {
    const readers = crossings.filter(({ to, typeOnly }) => roomOf(to) === 'config' && !typeOnly);
    expect(readers.filter(({ file }) => !READS_CONFIG.includes(roomOf(file))).map(show)).toEqual([]);
  });

  it('reads the process environment in the configuration and nowhere else', () => {
    const readers = FILES.filter((file) => /\bprocess\.env\b/.test(TEXT.get(file) ?? ''));
    expect(readers.filter((file) => file !== 'src/config.ts')).toEqual([]);
  });

  it('shows the engine the interfaces of market, exchange and models, and the prompt, which is pure', () => {
    const doors = crossings.filter(
      ({ file, to }) => roomOf(file) === 'engine' && ['market', 'exchange', 'llm'].includes(roomOf(to)),
    );
    expect(doors.filter(({ to, typeOnly }) => !typeOnly && to !== 'src/llm/prompt.ts').map(show)).toEqual([]);
    const interfaces = ['src/market/market-data.ts', 'src/exchange/exchange.ts', 'src/llm/decision-model.ts'];
    expect(doors.filter(({ to }) => ![...interfaces, 'src/llm/prompt.ts'].includes(to)).map(show)).toEqual([]);
  });

  it('keeps the prompt pure', () => {
    const parts = /^src\/llm\/prompt(-[a-z]+)?\.ts$/;
    const own = IMPORTS.filter(({ file }) => parts.test(file));
    expect(own.filter(({ to }) => !to.startsWith('src/domain/') && !parts.test(to)).map(show)).toEqual([]);
  });

  it('has no import circles', () => {
    expect(circles(IMPORTS)).toEqual([]);
  });

  it('would see a circle', () => {
    const edge = (file: string, to: string): Import => ({ file, to, typeOnly: false, later: false });
    expect(circles([edge('src/a.ts', 'src/b.ts'), edge('src/b.ts', 'src/c.ts'), edge('src/c.ts', 'src/a.ts')])).toEqual(
      ['src/a.ts → src/b.ts → src/c.ts → src/a.ts'],
    );
  });
});

describe('who may use which library', () => {
  const outside = IMPORTS.filter(({ to }) => !isOurs(to));

  it('keeps Prisma and its generated client inside the store', () => {
    const users = IMPORTS.filter(
      ({ to }) => to.startsWith('@prisma/') || isPackage(to, 'prisma') || to.includes('store/generated'),
    );
    expect(users.filter(({ file }) => roomOf(file) !== 'store').map(show)).toEqual([]);
  });

  it('keeps the Postgres driver to the store, the run and the starter of servers', () => {
    const users = outside.filter(({ to }) => isPackage(to, 'pg'));
    expect(users.filter(({ file }) => !POSTGRES_USERS.test(file)).map(show)).toEqual([]);
  });

  it('keeps BullMQ and ioredis to redis, workers and the dashboard; types may go further', () => {
    const users = outside.filter(
      ({ to, typeOnly }) => QUEUE_LIBRARIES.some((name) => isPackage(to, name)) && !typeOnly,
    );
    expect(users.filter(({ file }) => !QUEUE_LIBRARY_USERS.test(file)).map(show)).toEqual([]);
  });

  it('keeps the domain pure: zod, hashes and, in one file each, libraries that only compute', () => {
    const own = outside.filter(({ file }) => roomOf(file) === 'domain');
    const allowed = ({ file, to }: Import) => to === 'zod' || to === 'node:crypto' || PURE_LIBRARIES[to] === file;
    expect(own.filter((entry) => !allowed(entry)).map(show)).toEqual([]);
    const ours = IMPORTS.filter(({ file, to }) => roomOf(file) === 'domain' && isOurs(to));
    expect(ours.filter(({ to }) => !['domain', 'errors'].includes(roomOf(to))).map(show)).toEqual([]);
  });

  it('lets the job contracts use zod and nothing else', () => {
    const own = outside.filter(({ file }) => roomOf(file) === 'jobs');
    expect(own.filter(({ to }) => to !== 'zod').map(show)).toEqual([]);
  });

  it('gives the domain no clock, no randomness and no output', () => {
    const impure = /\b(Date\.now|new Date\(\)|Math\.random|performance\.now|console\.|process\.)/;
    const code = (file: string) => (TEXT.get(file) ?? '').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(FILES.filter((file) => roomOf(file) === 'domain' && impure.test(code(file)))).toEqual([]);
  });
});

/** Libraries of what is opened on demand: a command that opens nothing of the kind is not kept waiting by them. */
const ON_DEMAND = ['@nktkas/hyperliquid', 'micro-eth-signer', 'hono', '@hono/node-server', '@bull-board/api', 'ws'];

it('loads with the command line no library of a server or an exchange', () => {
  const loaded = new Set(['workers/cli.ts']);
  const atOnce = IMPORTS.filter(({ typeOnly, later }) => !typeOnly && !later);
  for (const from of loaded) for (const { file, to } of atOnce) if (file === from) loaded.add(to);
  expect(loaded).toContain('src/http/server.ts');
  expect([...loaded].filter((to) => ON_DEMAND.some((name) => isPackage(to, name)))).toEqual([]);
});

describe('importing a file of src', () => {
  const STARTS =
    /\bnew (Redis|Pool|pg\.Pool|pg\.Client|Queue|Worker|PrismaClient|Database)\b|\b(setInterval|setTimeout|setImmediate)\(|\.listen\(|\bserve\(|\.connect\(/;

  it('starts nothing: no connection, timer or listener at the level of the module', () => {
    const src = FILES.filter((file) => file.startsWith('src/'));
    const starters = src.flatMap((file) =>
      moduleLevel(TEXT.get(file) ?? '')
        .filter((line) => STARTS.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(starters).toEqual([]);
  });

  it('would be seen starting something', () => {
    const lines = moduleLevel(
      [
        'const pool = new Pool();',
        'export const a = () => {',
        '  setTimeout(() => {}, 1);',
        '};',
        'export const b = (x: number) => new Redis(x);',
        'setInterval(tick, 1);',
      ].join('\n'),
    );
    expect(lines.filter((line) => STARTS.test(line))).toEqual(['const pool = new Pool();', 'setInterval(tick, 1);']);
  });
});

/** Lines that run when the module is imported: those at column 0 that do not begin a function, and what they continue with. */
function moduleLevel(text: string): string[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '));
  return code
    .split('\n')
    .filter((line) => /^\S/.test(line) && !line.startsWith('//'))
    .filter((line) => !/^(export )?(async )?function\b|^(export )?(abstract )?class\b|=>/.test(line));
}

/** Circles among our own files, each once, beginning with its first file. */
function circles(imports: readonly Import[]): string[] {
  const edges = new Map<string, string[]>();
  for (const { file, to } of imports) if (isOurs(to)) edges.set(file, [...(edges.get(file) ?? []), to]);
  const found = new Set<string>();
  const finished = new Set<string>();
  const walk = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      const circle = trail.slice(at);
      const start = circle.indexOf([...circle].sort()[0] ?? '');
      const turned = [...circle.slice(start), ...circle.slice(0, start)];
      found.add([...turned, turned[0]].join(' → '));
      return;
    }
    if (finished.has(file)) return;
    for (const to of edges.get(file) ?? []) walk(to, [...trail, file]);
    finished.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  return [...found];
}
