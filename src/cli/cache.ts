/** `nof0 rebuild-cache` and `nof0 warm`: keys of the cache, written from Postgres. */

import type { Command } from 'commander';
import pc from 'picocolors';
import { type Rebuilt, rebuildKeys } from '../projections/rebuild.ts';
import { print, printJson, table } from './output.ts';
import { startBar } from './progress.ts';
import { type CommonFlags, withSession } from './session.ts';

export function rebuildCacheCommand(program: Command): void {
  command(
    program,
    'rebuild-cache',
    'write every key of the cache anew from Postgres, and say how many of each family',
    {
      missingOnly: false,
    },
  );
}

export function warmCommand(program: Command): void {
  command(program, 'warm', 'write the keys that the cache lacks, and leave the others alone', { missingOnly: true });
}

function command(program: Command, name: string, description: string, options: { missingOnly: boolean }): void {
  program
    .command(name)
    .description(description)
    .option('--json', 'as JSON')
    .action(async (_options, own: Command) => {
      const flags = own.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const { publisher, prices } = await session.resources(name);
        const startedAt = performance.now();
        const bar = startBar(name, flags.json);
        const onKeys = (done: number, total: number) => bar.show(done, total, `${done} of ${total} keys`);
        const families = await rebuildKeys(publisher, prices, { ...options, onKeys }).finally(() => bar.end());
        const ms = Math.round(performance.now() - startedAt);
        if (flags.json) printJson({ run: session.run, ms, families });
        else report(families, ms);
      });
    });
}

function report(families: readonly Rebuilt[], ms: number): void {
  print(
    table(
      ['family', 'keys', 'written'],
      families.map(({ family, keys, written }) => [family, keys, written]),
    ),
  );
  const written = families.reduce((sum, family) => sum + family.written, 0);
  print(`\n${pc.green(`${written} keys written`)} in ${ms} ms`);
}
