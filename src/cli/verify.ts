/** `nof0 verify`: rows, keys and ledger agree. */

import type { Command } from 'commander';
import pc from 'picocolors';
import { verifyRows } from '../engine/verify.ts';
import { checkKeys } from '../projections/check.ts';
import { openStories, type Resources } from '../resources.ts';
import { tradeRevisions } from '../store/verify.ts';
import { print, printJson, table } from './output.ts';
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
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const lines = await verify(await session.resources('verify'));
        const differences = lines.flatMap((line) => line.differences);
        if (flags.json) printJson({ run: session.run, clean: differences.length === 0, checks: lines });
        else report(session.run, lines, differences);
        if (differences.length > 0) process.exitCode = 1;
      });
    });
}

/** What the command does: every comparison with its differences. */
export async function verify(resources: Resources): Promise<Line[]> {
  const { stories } = await openStories(resources);
  await resources.outbox.relay();
  const rows = await verifyRows(resources.db, stories.market.provider, stories.exchange);
  const prices = await resources.prices.check();
  const keys = await checkKeys(resources.publisher);
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
