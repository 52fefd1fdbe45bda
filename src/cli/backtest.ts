/** `nof0 backtest`: the whole platform on recorded candles, on market time as fast as it goes, in a run of its own. */

import path from 'node:path';
import type { Command } from 'commander';
import { type BacktestModel, type BacktestReport, backtestReport } from '../engine/backtest-report.ts';
import { openStories, type Resources } from '../resources.ts';
import { freshRun, rememberRun } from '../run.ts';
import { readRun } from '../store/runs.ts';
import { parseMoment } from './flags.ts';
import { badFlag, moment, note, print, printJson, table, usd } from './output.ts';
import type { ProcessRoles } from './processes.ts';
import { type Bar, startBar } from './progress.ts';
import { openSession, type Session } from './session.ts';
import { assertReplayable, startRun } from './start-run.ts';
import { untilStopped } from './until-stopped.ts';

type Flags = {
  readonly data?: string;
  readonly from?: string;
  readonly to?: string;
  readonly models?: string;
  readonly seed?: string;
  readonly run?: string;
  readonly arena?: string;
  readonly json?: boolean;
};

/** How long running jobs may go on after Ctrl-C. */
const DRAIN_MS = 4000;
const PROGRESS_MS = 1000;

export function backtestCommand(program: Command, roles: ProcessRoles): void {
  program
    .command('backtest')
    .description(
      'run the arena on recorded candles as fast as it goes, in a run of its own, and report what came of it',
    )
    .option('--data <dir>', 'folder of candle files')
    .option('--from <moment>', 'first moment (default: where the data begins)')
    .option('--to <moment>', 'last moment (default: where the data ends)')
    .option('--models <ids>', 'only these models of the arena file, separated by commas')
    .option('--seed <text>', 'seed of the run; the arena file has the default')
    .option('--json', 'the whole report as JSON: fills, trades, curves; equal to the byte for equal data and seed')
    .action(async (_options, command: Command) => backtest(command.optsWithGlobals<Flags>(), roles));
}

async function backtest(flags: Flags, roles: ProcessRoles): Promise<void> {
  if (flags.data === undefined && flags.run === undefined)
    throw badFlag('backtest', '--data DIR, a folder of candle files', '(no --data)');
  const market =
    flags.data === undefined ? null : { kind: 'replay' as const, dir: path.resolve(flags.data), speed: 'max' as const };
  const wish = {
    market,
    seed: flags.seed ?? null,
    fromMs: parseMoment('--from', flags.from),
    toMs: parseMoment('--to', flags.to),
  };
  await assertReplayable(wish);
  const models = flags.models?.split(',').map((id) => id.trim());
  const session = await openSession(flags, {
    defaultRun: () => freshRun('backtest'),
    exclusive: true,
    logToFile: true,
    ...(models ? { models } : {}),
    onProgress: note,
  });
  try {
    await startRun(session, wish);
    rememberRun(session.config, session.run);
    const resources = await session.resources('backtest');
    if (!(await work(session, resources, roles, flags.json === true))) {
      process.exitCode = 130;
      return;
    }
    const report = await backtestReport(resources.db, resources.run, resources.run.kind);
    if (flags.json) printJson(report);
    else show(report);
    note(`run ${session.run}; check it with: nof0 verify --run ${session.run}`);
  } finally {
    await session.close();
  }
}

/** Works the run off. False when it was interrupted; the same command with its `--run` goes on. */
async function work(session: Session, resources: Resources, roles: ProcessRoles, quiet: boolean): Promise<boolean> {
  const opened = await openStories(resources);
  const scheduler = await roles.startScheduler(resources, opened.stories, 'max');
  const workers = await roles.startWorkers(resources, opened, {
    queues: roles.queues,
    concurrency: session.config.concurrency,
  });
  const bar = startBar('backtest', quiet);
  const progress = setInterval(() => void tell(resources, bar), PROGRESS_MS);
  const ended = await untilStopped(scheduler.finished);
  clearInterval(progress);
  bar.end();
  await scheduler.stop();
  await workers.close(DRAIN_MS);
  if (ended !== 'ended') note(`${ended}: it goes on with: nof0 backtest --run ${session.run}`);
  return ended === 'ended';
}

/** Where the market's clock stands. */
async function tell({ db }: Resources, bar: Bar): Promise<void> {
  if (!process.stderr.isTTY) return;
  const run = await readRun(db).catch(() => null);
  const { startMs, endMs, marketNowMs } = run ?? { startMs: null, endMs: null, marketNowMs: null };
  if (startMs === null || endMs === null || marketNowMs === null) return;
  bar.show(marketNowMs - startMs, Math.max(1, endMs - startMs), moment(new Date(marketNowMs)));
}

function show({ from, to, seed, counts, models }: BacktestReport): void {
  const span = [from, to].map((ms) => (ms === null ? '?' : moment(new Date(ms)))).join(' to ');
  print(`${span}, seed "${seed}": ${counts.cycles} cycles, ${counts.fills} fills, ${counts.trades} closed trades\n`);
  print(
    table(
      ['model', 'equity', 'return', 'Sharpe', 'drawdown', 'trades', 'win rate', 'fees', 'funding', 'open'],
      models.map((model) => row(model)),
    ),
  );
}

function row({ id, equity, metrics, open, trades }: BacktestModel): (string | number)[] {
  const percent = (value: number | undefined) => `${(value ?? 0).toFixed(2)} %`;
  return [
    id,
    usd(equity),
    percent(metrics.return_pct),
    (metrics.sharpe ?? 0).toFixed(2),
    percent(metrics.max_drawdown_pct),
    trades.length,
    percent(trades.length === 0 ? 0 : (100 * (metrics.num_wins ?? 0)) / trades.length),
    usd(metrics.fees ?? 0),
    usd(metrics.funding ?? 0),
    open.length,
  ];
}
