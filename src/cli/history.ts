/** `nof0 runs` and `nof0 audit`: what jobs and people did. */

import type { Command } from 'commander';
import { type AuditEntry, recentAudit } from '../store/audit.ts';
import { listRuns, type PastRun } from '../store/run-history.ts';
import { type LetterFlags, parseCount, parseFilter, parseJsonObject, parsePast, parseWord } from './flags.ts';
import { moment, print, printJson, shorten, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const OUTCOMES = ['done', 'skipped', 'snoozed', 'failed'];
const ERROR_LENGTH = 60;
const CHANGE_LENGTH = 80;
const DEFAULT_LIMIT = '50';

type RunFlags = CommonFlags &
  LetterFlags & { limit: string; outcome?: string; until?: string; payload?: string; json?: boolean };

export function runsCommand(program: Command): void {
  program
    .command('runs')
    .description('list runs of jobs, newest first')
    .option('--job <job>', 'of one job')
    .option('--model <id>', 'of one model')
    .option('--outcome <outcome>', OUTCOMES.join(', '))
    .option('--error <text>', 'with this code, or this in the message')
    .option('--since <when>', 'that ended since a moment, or since so long ago (2h)')
    .option('--until <when>', 'that ended until a moment, or until so long ago')
    .option('--payload <json>', 'whose payload holds these fields with these values')
    .option('--limit <n>', 'how many at most', DEFAULT_LIMIT)
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<RunFlags>();
      const filter = {
        ...parseFilter(flags),
        outcome: flags.outcome === undefined ? undefined : parseWord('--outcome', flags.outcome, OUTCOMES),
        untilMs: parsePast('--until', flags.until),
        payload: flags.payload === undefined ? undefined : parseJsonObject('--payload', flags.payload),
        limit: parseCount('--limit', flags.limit, 1),
      };
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('runs');
        const runs = await listRuns(db, filter);
        if (flags.json) printJson(runs);
        else print(runs.length === 0 ? 'no runs' : runTable(runs));
      });
    });
}

function runTable(runs: readonly PastRun[]): string {
  return table(
    ['finished at', 'job', 'model', 'slot', 'attempt', 'outcome', 'ms', 'worker', 'error'],
    runs.map((run) => [
      moment(run.finishedAt),
      run.job,
      run.modelId ?? '',
      run.slotMs === null ? '' : moment(new Date(run.slotMs)),
      run.attempt,
      run.outcome,
      run.durationMs,
      run.worker ?? '',
      shorten(run.errorCode === null ? (run.reason ?? '') : `${run.errorCode} ${run.errorMessage ?? ''}`, ERROR_LENGTH),
    ]),
  );
}

export function auditCommand(program: Command): void {
  program
    .command('audit')
    .description('list what people did to the run, newest first')
    .option('--limit <n>', 'how many at most', DEFAULT_LIMIT)
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { limit: string; json?: boolean }>();
      const limit = parseCount('--limit', flags.limit, 1);
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('audit');
        const entries = await recentAudit(db, limit);
        if (flags.json) printJson(entries);
        else print(entries.length === 0 ? 'nobody has done anything' : auditTable(entries));
      });
    });
}

function auditTable(entries: readonly (AuditEntry & { at: Date })[]): string {
  return table(
    ['when', 'who', 'what', 'target', 'before', 'after'],
    entries.map(({ at, who, what, target, before, after }) => [
      moment(at),
      who,
      what,
      target ?? '',
      change(before),
      change(after),
    ]),
  );
}

function change(value: unknown): string {
  return value === null || value === undefined ? '' : shorten(JSON.stringify(value), CHANGE_LENGTH);
}
