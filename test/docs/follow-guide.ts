/** Does what docs/extending.md says, in a copy of the repository. */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { REPO } from '../paths.ts';

/** Where the page's pieces for existing files go: into which file, and in front of which line (null: at the end). */
const PIECES: readonly { readonly begins: string; readonly file: string; readonly before: RegExp | null }[] = [
  { begins: "  'prune-letters': pruneLetters,", file: 'src/jobs/registry.ts', before: /^\} as const;/m },
  { begins: '/** Deletes letters of before', file: 'src/store/dead-letters.ts', before: null },
  {
    begins: "    'prune-letters': pruneLettersHandler",
    file: 'workers/main.ts',
    before: /^ {2}\};\n\}\n\nfunction assertComplete/m,
  },
  {
    begins: "    {\n      name: 'prune-letters'",
    file: 'src/engine/slots.ts',
    before: /^ {2}\];\n {2}\/\/ Prices come/m,
  },
  { begins: '  momentum: {', file: 'src/llm/builtin/index.ts', before: /^\};(?![\s\S]*^\};)/m },
  {
    begins: "  | { readonly kind: 'constant'",
    file: 'src/market/index.ts',
    before: /^ {2}\| \(\{ readonly kind: 'hyperliquid'/m,
  },
  {
    begins: "  if (config.kind === 'constant')",
    file: 'src/market/index.ts',
    before: /^ {2}if \(config\.kind === 'hyperliquid'\)/m,
  },
  {
    begins: "  if (run.kind === 'constant')",
    file: 'src/doors.ts',
    before: /^ {2}const market = await openMarket\(\n {4}run\.kind === 'replay'/m,
  },
];

/** What the page says in words, as replacements. */
const WORDS: readonly (readonly [file: string, from: string | RegExp, to: string])[] = [
  [
    'src/jobs/registry.ts',
    'import { priceIngest }',
    "import { pruneLetters } from './prune-letters.ts';\nimport { priceIngest }",
  ],
  [
    'workers/main.ts',
    'import { snapshotHandler }',
    "import { pruneLettersHandler } from './prune-letters.ts';\nimport { snapshotHandler }",
  ],
  ['src/domain/strategy-names.ts', "  'coin-flip',", "  'coin-flip',\n  'momentum',"],
  [
    'src/llm/builtin/index.ts',
    'import { trendFollower }',
    "import { momentum } from './momentum.ts';\nimport { trendFollower }",
  ],
  [
    'src/market/index.ts',
    'import type { MarketData }',
    "import { constantMarket } from './constant.ts';\nimport type { MarketData }",
  ],
  ['src/store/runs.ts', /export type RunKind = /, "export type RunKind = 'constant' | "],
  [
    'src/config/settings.ts',
    "  | { readonly kind: 'synthetic' }",
    "  | { readonly kind: 'synthetic' }\n  | { readonly kind: 'constant' }",
  ],
  [
    'src/config/arena.ts',
    '      synthetic: schedules.partial().optional(),',
    '      synthetic: schedules.partial().optional(),\n      constant: schedules.partial().optional(),',
  ],
  [
    'src/cli/flags.ts',
    "if (kind === 'synthetic' || kind === 'hyperliquid')",
    "if (kind === 'synthetic' || kind === 'hyperliquid' || kind === 'constant')",
  ],
  [
    'scripts/docs/arena-fields.ts',
    "  ...pacesOf('synthetic'),",
    "  ...pacesOf('synthetic'),\n  ...pacesOf('constant'),",
  ],
  [
    'src/doors.ts',
    "if (market.kind === 'synthetic') return {};",
    "if (market.kind === 'synthetic' || market.kind === 'constant') return {};",
  ],
];

/** Follows the page in `dir`. Returns the files that it made. Throws where a piece has no place (any more). */
export function followGuide(dir: string): string[] {
  const page = readFileSync(path.join(REPO, 'docs/extending.md'), 'utf8');
  const made: string[] = [];
  const unplaced = new Set(PIECES);
  for (const { file, code } of blocksOf(page)) {
    if (file !== null) {
      writeFileSync(path.join(dir, file), code);
      made.push(file);
      continue;
    }
    const piece = PIECES.find(({ begins }) => code.startsWith(begins));
    if (piece === undefined) continue;
    unplaced.delete(piece);
    edit(dir, piece.file, (text) => {
      if (piece.before === null) return `${text}\n${code}`;
      const at = text.search(piece.before);
      if (at < 0) throw new Error(`${piece.file} has no place for: ${piece.begins}`);
      return text.slice(0, at) + code + text.slice(at);
    });
  }
  if (unplaced.size > 0) throw new Error(`not on the page: ${[...unplaced].map(({ begins }) => begins).join('; ')}`);
  for (const [file, from, to] of WORDS)
    edit(dir, file, (text) => {
      const changed = text.replace(from, to);
      if (changed === text) throw new Error(`${file} has no place for: ${to}`);
      return changed;
    });
  return made;
}

/** Blocks of TypeScript, each with the file that it is the whole of. */
function blocksOf(page: string): { file: string | null; code: string }[] {
  return [...page.matchAll(/([^\n]*)\n+```ts\n([\s\S]*?)```/g)].map(([, line = '', code = '']) => ({
    file: /`([\w./-]+)` \(new\)/.exec(line)?.[1] ?? null,
    code,
  }));
}

function edit(dir: string, file: string, change: (text: string) => string): void {
  const target = path.join(dir, file);
  writeFileSync(target, change(readFileSync(target, 'utf8')));
}
