/** `nof0 export`: whole histories in the shapes of the API, as CSV or JSON. */

import path from 'node:path';
import type { Command } from 'commander';
import { publishedTrade } from '../domain/published.ts';
import { assertModel } from '../http/known-models.ts';
import { decision } from '../http/read-models.ts';
import { accountTotal } from '../projections/equity-families.ts';
import type { Database } from '../store/database.ts';
import { type ExportFilter, eachDecision, eachSnapshot, eachTrade } from '../store/export.ts';
import { modelIds } from '../store/models.ts';
import { EXPORT_FORMATS, type Exported, type ExportFormat, writeExport } from './export-writer.ts';
import { parsePast, parseWord } from './flags.ts';
import { note } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

type ExportFlags = CommonFlags & { format?: string; model?: string; since?: string; until?: string; out?: string };

type Write = (rows: readonly Exported[]) => Promise<void>;

type History = {
  /** The field that holds the rows in JSON: the one of the API. */
  readonly under: string;
  readonly columns: readonly string[];
  readonly read: (db: Database, filter: ExportFilter, write: Write) => Promise<void>;
};

const split = (names: string): string[] => names.trim().split(/\s+/);

/** The columns of CSV, in their order. */
export const HISTORIES: Readonly<Record<string, History>> = {
  trades: {
    under: 'trades',
    columns:
      split(`id trade_id model_id symbol side trade_type quantity leverage confidence entry_price entry_time entry_human_time entry_oid
      entry_tid entry_sz entry_crossed entry_commission_dollars entry_closed_pnl entry_liquidation exit_price exit_time exit_human_time exit_oid
      exit_tid exit_sz exit_crossed exit_commission_dollars exit_closed_pnl exit_liquidation exit_plan realized_gross_pnl realized_net_pnl
      total_commission_dollars exit_reason revision`),
    read: (db, filter, write) =>
      eachTrade(db, filter, (rows) =>
        write(rows.map((row) => ({ ...publishedTrade(row), exit_reason: row.exitReason, revision: row.revision }))),
      ),
  },
  equity: {
    under: 'accountTotals',
    columns: split(`id model_id timestamp dollar_equity realized_pnl total_unrealized_pnl cum_pnl_pct sharpe_ratio
      since_inception_hourly_marker since_inception_minute_marker positions`),
    read: (db, filter, write) => eachSnapshot(db, filter, (rows) => write(rows.map(accountTotal))),
  },
  decisions: {
    under: 'decisions',
    columns: split(
      `model_id cycle_number timestamp executed_at success decisions rejected orders cot_trace prompt_digest usage error`,
    ),
    read: (db, filter, write) => eachDecision(db, filter, (rows) => write(rows.map(decision))),
  },
};

export function exportCommand(program: Command): void {
  program
    .command('export')
    .description('write a whole history, oldest first, in the shapes and units of the API')
    .argument('<history>', `one of ${Object.keys(HISTORIES).join(', ')}`)
    .option('--format <format>', `${EXPORT_FORMATS.join(' or ')}; by the ending of --out, else csv`)
    .option('--model <id>', 'of one model')
    .option('--since <when>', 'from a moment on, market time, or since so long ago (2h)')
    .option('--until <when>', 'before a moment')
    .option('--out <file>', 'file to write; standard output without')
    .action(async (name: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<ExportFlags>();
      const history = HISTORIES[parseWord('<history>', name, Object.keys(HISTORIES))];
      if (history === undefined) return;
      const filter = {
        modelId: flags.model,
        sinceMs: parsePast('--since', flags.since),
        untilMs: parsePast('--until', flags.until),
      };
      const format = formatOf(flags);
      const file = flags.out === undefined ? null : path.resolve(flags.out);
      const { under, columns, read } = history;
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('export');
        if (flags.model !== undefined) assertModel(await modelIds(db), flags.model);
        const count = await writeExport({ file, format, under, columns }, (write) => read(db, filter, write)).catch(
          quietlyWithoutReader,
        );
        note(`${count} rows`);
      });
    });
}

function formatOf({ format, out }: ExportFlags): ExportFormat {
  const ending = out === undefined ? '' : path.extname(out).slice(1);
  const guess = EXPORT_FORMATS.find((known) => known === ending) ?? 'csv';
  return parseWord('--format', format ?? guess, EXPORT_FORMATS) as ExportFormat;
}

/** Whoever pipes into `head` has had enough; that is no fault. */
function quietlyWithoutReader(error: unknown): string {
  if (error instanceof Error && 'code' in error && error.code === 'EPIPE') return 'not all';
  throw error;
}
