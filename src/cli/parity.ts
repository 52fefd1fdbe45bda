/** `nof0 parity`: every answer of the API against the file that the original would have answered with. */

import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { ORIGINAL_ENDPOINTS, type OriginalEndpoint, rowsOf } from '../domain/original-api.ts';
import { type Comparison, compareAnswers, type Difference } from '../domain/parity.ts';
import { CodedError } from '../errors.ts';
import { AnswerFiles } from '../import/answer-files.ts';
import type { Resources } from '../resources.ts';
import { badFlag, print, printJson, shorten, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

type ParityFlags = CommonFlags & { allowDefined?: boolean; json?: boolean };
type Checked = { readonly endpoint: OriginalEndpoint } & Comparison;

const VALUE_LENGTH = 40;
const PAGE = 1000;

export function parityCommand(program: Command): void {
  program
    .command('parity')
    .description(
      "compare the API's answers with a directory of the original's files, field by field; exits 1 when they differ",
    )
    .argument('<dir>', 'the same directory that was imported')
    .option('--allow-defined', 'let fields differ that are defined otherwise here (see the docs)')
    .option('--json', 'every difference, as JSON')
    .action(async (dir: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<ParityFlags>();
      const from = path.resolve(dir);
      if (!statSync(from, { throwIfNoEntry: false })?.isDirectory()) throw badFlag('parity', 'a directory', dir);
      await withSession(flags, {}, async (session) => {
        const checked = await compareAll(await session.resources('parity'), from);
        if (flags.json) printJson(checked);
        else report(checked, flags.allowDefined === true);
        const counts = checked.flatMap(({ differences }) => differences);
        if (counts.some((difference) => !flags.allowDefined || difference.byDefinition === null)) process.exitCode = 1;
      });
    });
}

/** Compares every address whose file is there. Throws NOF0_INPUT_INVALID when none is. */
export async function compareAll(resources: Resources, dir: string): Promise<Checked[]> {
  const present = ORIGINAL_ENDPOINTS.filter((endpoint) => existsSync(path.join(dir, `${endpoint}.json`)));
  if (present.length === 0)
    throw new CodedError('NOF0_INPUT_INVALID', `${dir} holds none of ${ORIGINAL_ENDPOINTS.join('.json, ')}.json`);
  const files = new AnswerFiles(dir);
  const checked: Checked[] = [];
  for (const endpoint of present) {
    const inFiles = await files.read(endpoint).catch((error: unknown) => {
      throw new CodedError('NOF0_INPUT_INVALID', `${endpoint}.json is not whole JSON`, { cause: error });
    });
    checked.push({ endpoint, ...compareAnswers(endpoint, inFiles, await answerOf(resources, endpoint, inFiles)) });
  }
  return checked;
}

/** The whole answer, page by page where it comes in pages. Asked of the store, whatever readers get at the moment. */
async function answerOf(resources: Resources, endpoint: OriginalEndpoint, inFiles: unknown): Promise<unknown> {
  const stored = { ...resources.config.readSource, sources: {} };
  const { createApi } = await import('../http/api.ts');
  const api = createApi({ ...resources, config: { ...resources.config, readSource: stored } }, { host: '127.0.0.1' });
  const get = async (query: string): Promise<Record<string, unknown>> => {
    const answer = await api.request(`/api/${endpoint}${query}`);
    if (!answer.ok) throw new CodedError('NOF0_INTERNAL', `/api/${endpoint}${query} answered ${answer.status}`);
    return (await answer.json()) as Record<string, unknown>;
  };
  if (endpoint === 'trades') return { trades: await allTrades(get) };
  if (endpoint === 'account-totals') return { accountTotals: await allTotals(get, inFiles) };
  return get('');
}

type Get = (query: string) => Promise<Record<string, unknown>>;

async function allTrades(get: Get): Promise<unknown[]> {
  const trades: unknown[] = [];
  for (let cursor = ''; ; ) {
    const page = await get(`?limit=${PAGE}${cursor}`);
    trades.push(...rowsOf('trades', page));
    if (typeof page.nextCursor !== 'string') return trades;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

async function allTotals(get: Get, inFiles: unknown): Promise<unknown[]> {
  const markers = rowsOf('account-totals', inFiles).map((row) => Number(row.since_inception_hourly_marker));
  const last = markers.reduce((most, marker) => Math.max(most, marker), 0);
  const totals: unknown[] = [];
  for (let marker = markers.reduce((least, other) => Math.min(least, other), last); ; ) {
    const page = await get(`?lastHourlyMarker=${marker}`);
    totals.push(...rowsOf('account-totals', page).filter((row) => Number(row.since_inception_hourly_marker) <= last));
    const read = Number(page.lastHourlyMarkerRead);
    if (!(read >= marker) || read >= last || rowsOf('account-totals', page).length === 0) return totals;
    marker = read + 1;
  }
}

function report(checked: readonly Checked[], allowDefined: boolean): void {
  print(
    table(
      ['address', 'fields compared', 'differ', 'by definition', 'rows of others here'],
      checked.map(({ endpoint, compared, differences, othersHere }) => {
        const defined = differences.filter(({ byDefinition }) => byDefinition !== null).length;
        return [`/api/${endpoint}`, compared, differences.length - defined, defined, othersHere];
      }),
    ),
  );
  const lines = checked.flatMap(({ endpoint, differences }) => byField(endpoint, differences));
  if (lines.length > 0)
    print(`\n${table(['address', 'field', 'rows', 'for instance', 'in the files', 'here', 'why'], lines)}`);
  const wrong = checked
    .flatMap(({ differences }) => differences)
    .filter((d) => !allowDefined || d.byDefinition === null);
  print(`\n${wrong.length === 0 ? pc.green('the answers agree') : pc.red(`${wrong.length} differences`)}`);
}

/** One line a field, with its first row as an example. */
function byField(endpoint: string, differences: readonly Difference[]): (string | number)[][] {
  const fields = new Map<string, Difference[]>();
  for (const difference of differences)
    fields.set(difference.field, [...(fields.get(difference.field) ?? []), difference]);
  return [...fields].map(([field, rows]) => {
    const [example] = rows;
    return [
      endpoint,
      field || '(whole row)',
      rows.length,
      shorten(example?.row ?? '', VALUE_LENGTH),
      show(example?.inFiles),
      show(example?.here),
      example?.byDefinition ?? '',
    ];
  });
}

function show(value: unknown): string {
  return shorten(typeof value === 'string' ? value : JSON.stringify(value ?? null), VALUE_LENGTH);
}
