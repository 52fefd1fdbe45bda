/**
 * Writes the tables of the documentation from the code, between `generated:NAME` and `/generated` lines.
 *
 *   node --import tsx scripts/docs.ts            writes the pages
 *   node --import tsx scripts/docs.ts --check    changes nothing, exits 1 when a page differs
 *
 * What stands there is made in `scripts/docs`, a file for each subject.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ALERTS } from '../src/domain/alerts.ts';
import { PLACEHOLDERS } from '../src/domain/prompt-template.ts';
import { BUILTIN_STRATEGIES } from '../src/llm/builtin/index.ts';
import { controlTable, endpointTables, opsTable } from './docs/api.ts';
import { arenaTable } from './docs/arena.ts';
import { envExample, environmentTable } from './docs/environment.ts';
import { errorTable } from './docs/errors.ts';
import { guardrailTable } from './docs/guardrails.ts';
import { jobTable, payloadTables, scheduleTable } from './docs/jobs.ts';
import { keyTable } from './docs/keys.ts';
import { metricTable } from './docs/metrics.ts';
import { code, table } from './docs/table.ts';

const REPO = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Files that hold generated parts, relative to the repository. */
export const PAGES = [
  'docs/api.md',
  'docs/configuration.md',
  'docs/decision-cycle.md',
  'docs/errors.md',
  'docs/incidents.md',
  'docs/jobs.md',
  'docs/keys.md',
  'docs/operations.md',
  '.env.example',
];

/** What `generated:NAME` stands for. */
const PARTS: Readonly<Record<string, () => string>> = {
  environment: environmentTable,
  'env-example': envExample,
  arena: arenaTable,
  strategies: () =>
    table(
      ['strategy', 'what it does'],
      Object.entries(BUILTIN_STRATEGIES).map(([name, { description }]) => [code(name), description]),
    ),
  placeholders: () =>
    table(
      ['place', 'what stands there'],
      Object.entries(PLACEHOLDERS).map(([name, meaning]) => [code(`{{${name}}}`), meaning]),
    ),
  guardrails: guardrailTable,
  alerts: () =>
    table(
      ['alert', 'of a', 'severity', 'meaning'],
      Object.entries(ALERTS).map(([name, { severity, of, meaning }]) => [
        `[${code(name)}](#${name})`,
        of,
        severity,
        meaning,
      ]),
    ),
  endpoints: endpointTables,
  operators: opsTable,
  controls: controlTable,
  errors: errorTable,
  keys: keyTable,
  jobs: jobTable,
  payloads: payloadTables,
  schedules: scheduleTable,
  metrics: metricTable,
};

/** The page as it should be. Throws when it names a part that does not exist, or when the code holds something undescribed. */
export function render(page: string): string {
  return page.replace(
    /^(.*[^/]generated:([a-z-]+).*\n)[\s\S]*?^(.*\/generated.*)$/gm,
    (_, head: string, name: string, end: string) => {
      const part = PARTS[name];
      if (part === undefined) throw new Error(`no generated part "${name}"`);
      return head.startsWith('#') ? `${head}${part()}\n${end}` : `${head}\n${part()}\n\n${end}`;
    },
  );
}

/** Pages that differ from what the code says. */
export function stalePages(): string[] {
  return PAGES.filter((page) => {
    const text = readFileSync(path.join(REPO, page), 'utf8');
    return render(text) !== text;
  });
}

function main(args: readonly string[]): void {
  const stale = stalePages();
  if (args.includes('--check')) {
    for (const page of stale) process.stderr.write(`${page} is not what the code says; run this without --check\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
    return;
  }
  for (const page of stale) {
    const file = path.join(REPO, page);
    writeFileSync(file, render(readFileSync(file, 'utf8')));
    process.stdout.write(`wrote ${page}\n`);
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2));
