/** `nof0 import`: loads the files of another system into a run, once or for as long as they change. */

import { statSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { DirectoryImport, type DirectoryResult, presentKinds } from '../import/import-directory.ts';
import { watchDirectory } from '../import/watch.ts';
import { openStories, type Resources } from '../resources.ts';
import { parseCount } from './flags.ts';
import { badFlag, moment, note, print, printJson, table } from './output.ts';
import { startProgress } from './progress.ts';
import { type CommonFlags, type Session, withSession } from './session.ts';
import { startRun } from './start-run.ts';
import { untilStopped } from './until-stopped.ts';

type ImportFlags = CommonFlags & { watch?: boolean; poll: string; json?: boolean };

const DEFAULT_POLL_MS = '1000';
const never = new Promise<never>(() => {});

export function importCommand(program: Command): void {
  program
    .command('import')
    .description("load a directory of the original's JSON files; exits 2 when rows were bad, the good ones are in")
    .argument('<dir>', 'holds trades.json, analytics.json, leaderboard.json, … whichever are there')
    .option('--watch', 'go on and import files whenever they change')
    .option('--poll <ms>', 'how often to look with --watch', DEFAULT_POLL_MS)
    .option('--json', 'as JSON')
    .action(async (dir: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<ImportFlags>();
      const pollMs = parseCount('--poll', flags.poll, 10);
      const from = path.resolve(dir);
      if (!statSync(from, { throwIfNoEntry: false })?.isDirectory()) throw badFlag('import', 'a directory', dir);
      await withSession(flags, { onProgress: note }, async (session) => {
        await startRun(session, { market: null, seed: null });
        const resources = await session.resources('import');
        const { stories } = await openStories(resources);
        const directory = new DirectoryImport(stories, from);
        if (flags.watch) await follow(session, resources, directory, { dir: from, pollMs });
        else await once(session, resources, directory, { dir: from, json: flags.json === true });
      });
    });
}

/** Market time of a run now. */
function marketNowMs({ run }: Resources): number {
  return run.marketNowMs ?? Date.now();
}

async function once(
  session: Session,
  resources: Resources,
  directory: DirectoryImport,
  { dir, json }: { dir: string; json: boolean },
): Promise<void> {
  const startedAt = Date.now();
  const bytes = presentKinds(dir).reduce((sum, { file }) => sum + statSync(path.join(dir, file)).size, 0);
  const progress = startProgress('importing', bytes, json);
  const done = new Map<string, number>();
  const result = await directory
    .run({
      nowMs: marketNowMs(resources),
      onProgress: (file, more, rows) => {
        done.set(file, rows);
        progress.advance(
          more,
          [...done.values()].reduce((sum, count) => sum + count, 0),
        );
      },
    })
    .finally(() => progress.end());
  if (json) printJson({ run: session.run, ...result, files: result.files.map(({ effects: _, ...file }) => file) });
  else report(session.run, result, (Date.now() - startedAt) / 1000);
  if (isFaulty(result)) process.exitCode = 2;
}

function isFaulty({ files, unreadable }: DirectoryResult): boolean {
  return unreadable.length > 0 || files.some((file) => file.badRows > 0);
}

async function follow(
  session: Session,
  resources: Resources,
  directory: DirectoryImport,
  { dir, pollMs }: { dir: string; pollMs: number },
): Promise<void> {
  const stop = new AbortController();
  note(`following ${dir} into run ${session.run}; Ctrl-C ends it`);
  const watching = watchDirectory(directory, {
    dir,
    pollMs,
    signal: stop.signal,
    nowMs: () => marketNowMs(resources),
    onRound(result) {
      for (const file of result.files)
        print(
          `${moment(new Date())}  ${file.file}: ${file.rows} rows, ${file.added} added, ${file.changed} changed, ${file.badRows} bad`,
        );
      printFaults(result);
    },
  });
  await untilStopped(Promise.race([watching, never]));
  stop.abort();
  await watching;
}

function report(run: string, result: DirectoryResult, seconds: number): void {
  const rows = result.files.map((file) => {
    const kept = Object.values(file.kept).reduce((sum, count) => sum + count, 0);
    return [file.file, file.rows, file.added, file.changed, kept, file.badRows];
  });
  print(table(['file', 'rows', 'added', 'changed', 'left out', 'bad'], rows));
  for (const file of result.files)
    for (const [reason, count] of Object.entries(file.kept)) print(`${file.file}: ${count} rows left out ${reason}`);
  printFaults(result);
  const bad = result.files.reduce((sum, file) => sum + file.badRows, 0) + result.unreadable.length;
  print(
    `\nrun ${run}: ${bad === 0 ? pc.green('every row is in') : pc.red(`${bad} bad rows or files; all others are in`)} after ${seconds.toFixed(1)} s`,
  );
}

/** One line a fault: file, index, path and reason. */
function printFaults({ files, unreadable }: DirectoryResult): void {
  for (const { file, reason } of unreadable) print(pc.red(`${file}: ${reason}; nothing of it is in`));
  for (const file of files) {
    for (const fault of file.faults) print(pc.red(`${fault.file} [${fault.place}] ${fault.path}: ${fault.reason}`));
    const listed = new Set(file.faults.map((fault) => fault.place)).size;
    if (listed < file.badRows) print(pc.red(`${file.file}: … and ${file.badRows - listed} more bad rows`));
  }
}
