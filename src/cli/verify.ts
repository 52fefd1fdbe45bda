/** `nof0 verify`: rows, keys and ledger agree. */

import type { Command } from 'commander';
import pc from 'picocolors';
import { compareBooks } from '../engine/compare-books.ts';
import { verifyRows } from '../engine/verify.ts';
import { checkKeys, repairKeys } from '../projections/check.ts';
import { openStories, type Resources } from '../resources.ts';
import { tradeRevisions } from '../store/verify.ts';
import { print, printJson, table } from './output.ts';
import { type Bar, startBar } from './progress.ts';
import { type CommonFlags, withSession } from './session.ts';

type Line = {
  readonly kind: 'rows' | 'keys';
  readonly family: string;
  readonly compared: number;
  readonly differences: readonly string[];
};

const SHOWN = 20;

export function verifyCommand(program: Command): void {
  program
    .command('verify')
    .description(
      'compare rows, keys and ledger: warms the cache first, prints how many of each family were compared, exits 1 on a difference',
    )
    .option(
      '--repair',
      'first put right what can be: keys that differ are refreshed, fills that are missing are fetched',
    )
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean; repair?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('verify');
        const bar = startBar('verify', flags.json);
        bar.show(0, 1, flags.repair ? 'putting right what can be' : 'waiting for what is promised');
        const [repaired, lines] = await looked(resources, flags.repair === true, bar).finally(() => bar.end());
        const differences = lines.flatMap((line) => line.differences);
        const clean = differences.length === 0;
        if (flags.json) printJson({ run: session.run, clean, ...(flags.repair ? { repaired } : {}), checks: lines });
        else {
          if (flags.repair) reportRepairs(repaired);
          report(session.run, lines, differences);
        }
        if (differences.length > 0) process.exitCode = 1;
      });
    });
}

async function looked(resources: Resources, repairs: boolean, bar: Bar): Promise<[Repair[], Line[]]> {
  const repaired = repairs ? await repair(resources) : [];
  return [repaired, await verify(resources, bar)];
}

type Repair = { readonly family: string; readonly difference: string; readonly repaired: boolean };

/** Puts right what can be put right without asking anybody. What could not be is a difference of the comparison that follows. */
export async function repair(resources: Resources): Promise<Repair[]> {
  const { stories } = await openStories(resources);
  await resources.outbox.relay();
  const asOfMs = resources.run.marketNowMs ?? Date.now();
  const books = await compareBooks(stories, asOfMs, new AbortController().signal);
  const keys = await repairKeys(resources.publisher, resources.db);
  const family = 'exchange';
  return [
    ...books.repaired.map((difference) => ({ family, difference, repaired: true })),
    ...books.left.map((difference) => ({ family, difference, repaired: false })),
    ...keys.differences.map(({ family: own, text, repaired }) => ({ family: own, difference: text, repaired })),
  ];
}

/** Every comparison with its differences. */
export async function verify(resources: Resources, bar?: Bar): Promise<Line[]> {
  const { stories } = await openStories(resources);
  await resources.outbox.relay();
  // Ledgers and keys take about as long as each other.
  const rows = await verifyRows(resources.db, stories.market.provider, stories.exchange, (model, done, total) =>
    bar?.show(done, 2 * total, `ledger of ${model}`),
  );
  const prices = await resources.prices.check();
  const keys = await checkKeys(resources.publisher, (family, done, total) =>
    bar?.show(total + done, 2 * total, `keys: ${family}`),
  );
  const stream = await resources.stream.check(await tradeRevisions(resources.db));
  return [
    ...rows.map((check) => ({ kind: 'rows' as const, ...check })),
    { kind: 'keys', family: 'prices', ...prices },
    ...keys.map((check) => ({
      kind: 'keys' as const,
      family: check.family,
      compared: check.compared,
      differences: check.differences,
    })),
    { kind: 'keys', family: 'trades:stream', ...stream },
  ];
}

function reportRepairs(repairs: readonly Repair[]): void {
  const done = repairs.filter(({ repaired }) => repaired);
  for (const { family, difference } of done.slice(0, SHOWN)) print(pc.yellow(`repaired ${family}: ${difference}`));
  if (done.length > SHOWN) print(pc.yellow(`… and ${done.length - SHOWN} more (--json lists all)`));
  const left = repairs.length - done.length;
  print(`${done.length} repaired, ${left} could not be repaired\n`);
}

function report(run: string, lines: readonly Line[], differences: readonly string[]): void {
  print(
    table(
      ['', 'family', 'compared', 'differences'],
      lines.map((line) => [line.kind, line.family, line.compared, line.differences.length]),
    ),
  );
  for (const difference of differences.slice(0, SHOWN)) print(pc.red(difference));
  if (differences.length > SHOWN) print(pc.red(`… and ${differences.length - SHOWN} more (--json lists all)`));
  print(
    differences.length === 0
      ? `\nrun ${run}: ${pc.green('everything agrees')}`
      : `\nrun ${run}: ${pc.red(`${differences.length} differences`)}`,
  );
}
