/** The living summary of `nof0 up`: leaderboard, last decisions, queue depths. Repainted in a terminal, a line now and then elsewhere. */

import pc from 'picocolors';
import { messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { modelIds } from '../store/models.ts';
import { readRun } from '../store/runs.ts';
import { repaint } from './fit.ts';
import { table, usd } from './output.ts';

const REPAINT_MS = 1000;
const LINE_EVERY_MS = 10_000;

type LeaderboardRow = { id: string; equity: number; return_pct: number; num_trades: number; num_wins: number };
type LastDecision = {
  cycle_number: number;
  timestamp: number;
  success: boolean;
  symbol: string | null;
  action: string;
  confidence: number | null;
  error: string | null;
};

export function startSummary(resources: Resources): { stop(): Promise<void> } {
  const live = process.stdout.isTTY;
  let shown = '';
  let running: Promise<void> = Promise.resolve();
  const paint = async () => {
    const text = await (live ? screen(resources) : oneLine(resources)).catch((error: unknown) =>
      pc.yellow(`(no summary now: ${messageOf(error)})`),
    );
    if (!live) process.stdout.write(`${text}\n`);
    else {
      const { written, lines } = repaint(shown, text, process.stdout.columns, process.stdout.rows);
      process.stdout.write(written);
      shown = lines;
    }
  };
  let busy = false;
  const timer = setInterval(
    () => {
      if (busy) return;
      busy = true;
      running = paint().finally(() => {
        busy = false;
      });
    },
    live ? REPAINT_MS : LINE_EVERY_MS,
  );
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** What both views are made of. */
export async function facts(resources: Resources) {
  const ids = await modelIds(resources.db);
  const [board, decisions, depths, run] = await Promise.all([
    resources.publisher.read({ family: 'leaderboardCache', ids: [] }),
    resources.publisher.readMany(ids.map((id) => ({ family: 'decisionLast' as const, ids: [id] }))),
    resources.queues.depths(),
    readRun(resources.db),
  ]);
  const rows = board[0] ? (JSON.parse(board[0]) as { leaderboard: LeaderboardRow[] }).leaderboard : [];
  const last = new Map(
    ids.map((id, index) => [id, decisions[index]?.[0] ? (JSON.parse(decisions[index][0]) as LastDecision) : null]),
  );
  return { rows, last, depths, marketNowMs: run?.marketNowMs ?? Date.now() };
}

async function screen(resources: Resources): Promise<string> {
  const { rows, last, depths, marketNowMs } = await facts(resources);
  const board = leaderboardTable(rows, last);
  return [pc.dim(`market time ${new Date(marketNowMs).toISOString()}`), board, queuesLine(depths)].join('\n');
}

type Depth = { readonly queue: string; readonly counts: Readonly<Record<string, number>> };

/** What there is to do now; queues with nothing in them are not worth a place in it. */
export function queuesLine(depths: readonly Depth[]): string {
  const busy = depths.flatMap(({ queue, counts }) => {
    const waiting = (counts.waiting ?? 0) + (counts.prioritized ?? 0);
    const said = [
      ...(waiting > 0 ? [`${waiting} waiting`] : []),
      ...((counts.active ?? 0) > 0 ? [`${counts.active} active`] : []),
    ];
    return said.length === 0 ? [] : [`${queue} ${said.join(', ')}`];
  });
  const failed = depths.reduce((sum, { counts }) => sum + (counts.failed ?? 0), 0);
  const now = pc.dim(`jobs: ${busy.join(' · ') || 'nothing waits'}`);
  return failed === 0 ? now : `${pc.red(`${failed} failed (nof0 failed)`)}${pc.dim(' · ')}${now}`;
}

/** The ranking with what each model decided last. */
export function leaderboardTable(
  rows: readonly LeaderboardRow[],
  last: ReadonlyMap<string, LastDecision | null>,
): string {
  return table(
    ['model', 'equity', 'return', 'trades', 'wins', 'last decision'],
    rows.map((row) => [
      row.id,
      usd(row.equity),
      percent(row.return_pct),
      row.num_trades,
      row.num_wins,
      decisionText(last.get(row.id) ?? null),
    ]),
  );
}

async function oneLine(resources: Resources): Promise<string> {
  const { rows, depths, marketNowMs } = await facts(resources);
  const waiting = depths.reduce((sum, { counts }) => sum + (counts.waiting ?? 0) + (counts.active ?? 0), 0);
  const leaders = rows.slice(0, 3).map((row) => `${row.id} ${row.return_pct.toFixed(2)} %`);
  return `${new Date(marketNowMs).toISOString()}  ${rows.reduce((sum, row) => sum + row.num_trades, 0)} trades  ${waiting} jobs  ${leaders.join('  ')}`;
}

function decisionText(decision: LastDecision | null): string {
  if (decision === null) return '';
  const what = decision.action === 'hold' ? 'hold' : `${decision.action} ${decision.symbol ?? ''}`;
  return `#${decision.cycle_number} ${decision.error ? pc.yellow(decision.error.slice(0, 40)) : what}`;
}

function percent(value: number): string {
  const text = `${value >= 0 ? '+' : ''}${value.toFixed(2)} %`;
  return value >= 0 ? pc.green(text) : pc.red(text);
}
