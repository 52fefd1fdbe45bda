/** `nof0 top`: queues, workers and leaderboard, live. Where nobody watches it prints the present once. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import pc from 'picocolors';
import { parseDuration } from '../domain/time.ts';
import { messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { pendingEffects } from '../store/effects.ts';
import { cut } from './fit.ts';
import { badFlag, print, printJson, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';
import { facts, leaderboardTable } from './summary.ts';

const LEAST_EVERY_MS = 250;
/** Another screen of the terminal, which leaves what stood there alone; the cursor out of sight. */
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const QUITS: ReadonlySet<string> = new Set(['q', 'Q', '\u0003', '\u001b']);

type Flags = CommonFlags & { readonly every: string; readonly once?: boolean; readonly json?: boolean };

export function topCommand(program: Command): void {
  program
    .command('top')
    .description('watch queues, workers and leaderboard; q leaves. Without a terminal: the present, once')
    .option('--every <duration>', 'how often it looks', '1s')
    .option('--once', 'print the present and end')
    .option('--json', 'the present as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      const everyMs = parseDuration(flags.every);
      if (everyMs === null || everyMs < LEAST_EVERY_MS)
        throw badFlag('--every', `a duration of at least ${LEAST_EVERY_MS}ms`, flags.every);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('top');
        if (flags.json) printJson({ run: session.run, ...(await present(resources)) });
        else if (flags.once || !process.stdout.isTTY) print(await screen(session.run, resources));
        else await watch(() => screen(session.run, resources), everyMs);
      });
    });
}

async function present(resources: Resources) {
  const [{ rows, depths, last, marketNowMs }, workers, effects] = await Promise.all([
    facts(resources),
    resources.queues.workerCounts(),
    pendingEffects(resources.db),
  ]);
  const connected = new Map(workers.map((each) => [each.queue, each.workers]));
  const queues = depths.map(({ queue, paused, counts }) => ({
    ...{ queue, paused, workers: connected.get(queue) ?? 0 },
    waiting: (counts.waiting ?? 0) + (counts.prioritized ?? 0),
    ...{ active: counts.active ?? 0, delayed: counts.delayed ?? 0, failed: counts.failed ?? 0 },
  }));
  return { marketNowMs, leaderboard: rows, decisions: Object.fromEntries(last), queues, outbox: effects };
}

async function screen(run: string, resources: Resources): Promise<string> {
  const { marketNowMs, leaderboard, decisions, queues, outbox } = await present(resources);
  const waits = outbox.map(({ kind, count, oldestMs }) => `${count} ${kind} (oldest ${oldestMs} ms)`).join(', ');
  const lines = queues.map((each) => [
    each.paused ? `${each.queue} (paused)` : each.queue,
    each.workers === 0 ? pc.yellow('0') : String(each.workers),
    ...[each.waiting, each.active, each.delayed],
    each.failed === 0 ? '0' : pc.red(String(each.failed)),
  ]);
  return [
    `${pc.bold(`run ${run}`)}  ${pc.dim(`market time ${new Date(marketNowMs).toISOString()}`)}`,
    '',
    leaderboardTable(leaderboard, new Map(Object.entries(decisions))),
    '',
    table(['queue', 'workers', 'waiting', 'active', 'delayed', 'failed'], lines),
    '',
    pc.dim(`outbox: ${waits || 'empty'}`),
  ].join('\n');
}

/** Paints until somebody leaves. Whatever happens, the terminal is given back as it was. */
async function watch(view: () => Promise<string>, everyMs: number): Promise<void> {
  const leaving = new AbortController();
  const { stdin, stdout } = process;
  const leave = () => leaving.abort();
  const onKey = (key: Buffer) => {
    if (QUITS.has(key.toString('utf8'))) leave();
  };
  const hearsKeys = stdin.isTTY;
  if (hearsKeys) stdin.setRawMode(true).resume().on('data', onKey);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, leave);
  stdout.write(ENTER);
  try {
    while (!leaving.signal.aborted) {
      // A server that is away for a moment is seen, and does not end the view.
      const text = await view().catch((error: unknown) => pc.yellow(`nothing to show now: ${messageOf(error)}`));
      stdout.write(paint(`${text}\n\n${pc.dim('q leaves')}`, stdout.columns || 80, stdout.rows || 24));
      await sleep(everyMs, undefined, { signal: leaving.signal }).catch(() => {
        // Leaving ends the sleep; the loop's own condition does the rest.
      });
    }
  } finally {
    stdout.write(LEAVE);
    if (hearsKeys) stdin.off('data', onKey).setRawMode(false).pause();
  }
}

/** Over what stood there, line by line, so that nothing flickers; at most what the terminal holds. */
export function paint(text: string, columns: number, rows: number): string {
  const lines = text.split('\n').slice(0, Math.max(1, rows - 1));
  return HOME + lines.map((line) => `${cut(line, columns)}${CLEAR_LINE}`).join('\r\n') + CLEAR_BELOW;
}
