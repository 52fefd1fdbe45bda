/** `nof0 backfill`: candles of the past. */

import type { Command } from 'commander';
import { type BackfillProgress, backfill } from '../engine/backfill.ts';
import { openStories } from '../resources.ts';
import { parsePast, parseWord } from './flags.ts';
import { badFlag, print } from './output.ts';
import { startBar } from './progress.ts';
import { type CommonFlags, withSession } from './session.ts';

type BackfillFlags = CommonFlags & { symbols?: string; interval: string; from: string; to?: string };

export function backfillCommand(program: Command): void {
  program
    .command('backfill')
    .description('ask the market for candles that are missing; ended in the middle, the next one goes on')
    .requiredOption('--from <moment>', 'first moment, or how long ago, such as 7d')
    .option('--to <moment>', 'last moment (default: now)')
    .option('--symbols <list>', 'comma-separated (default: all that are traded)')
    .option('--interval <interval>', 'length of a candle', '1m')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<BackfillFlags>();
      parseWord('--interval', flags.interval, ['1m']);
      const fromMs = parsePast('--from', flags.from) ?? 0;
      const toMs = Math.min(Date.now(), parsePast('--to', flags.to) ?? Date.now());
      if (fromMs >= toMs) throw badFlag('--from', 'a moment before --to', flags.from);
      await withSession(flags, {}, async (session) => {
        const { stories } = await openStories(await session.resources('backfill'));
        const known = (await stories.market.assets()).map((asset) => asset.symbol);
        const symbols = flags.symbols?.split(',').map((name) => parseWord('--symbols', name.trim(), known)) ?? known;
        const bar = startBar('backfill');
        const show = ({ missing, asked, stored }: BackfillProgress) =>
          bar.show(Math.max(asked, stored), missing, `${stored} of ${missing} candles`);
        const { missing, stored } = await backfill(stories, { symbols, fromMs, toMs }, show).finally(() => bar.end());
        print(`${missing} candles were missing, ${stored} came`);
      });
    });
}
