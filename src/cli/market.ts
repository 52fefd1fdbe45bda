/** `nof0 market`: what is known of the market now. */

import type { Command } from 'commander';
import type { MarketContext } from '../domain/market-context.ts';
import { type MarketTerms, readTerms } from '../projections/market-source.ts';
import { openStories } from '../resources.ts';
import { print, printJson, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export function marketCommand(program: Command): void {
  program
    .command('market')
    .description('prices, funding, changes and indicators as of now; asks the market itself where nobody does')
    .argument('[symbol]', 'one instrument with all its indicators')
    .option('--json', 'as JSON')
    .action(async (symbol: string | undefined, _options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('market');
        const { snapshots } = await openStories(resources);
        const shown = symbol === undefined ? [...(await snapshots.all()).values()] : [await snapshots.of(symbol)];
        if (flags.json) printJson({ run: session.run, market: shown });
        else
          report(
            shown,
            await readTerms(
              resources.publisher,
              shown.map((context) => context.symbol),
            ),
            symbol !== undefined,
          );
      });
    });
}

function report(contexts: readonly MarketContext[], terms: ReadonlyMap<string, MarketTerms>, whole: boolean): void {
  const figure = (value: number | null | undefined) => (value == null ? '-' : Number(value.toPrecision(6)).toString());
  const percent = (value: number | null) => (value === null ? '-' : `${(value * 100).toFixed(2)} %`);
  print(
    table(
      ['symbol', 'price', 'as of', '1h', '4h', 'funding/h', 'open interest', 'RSI 14', 'max leverage'],
      contexts.map((context) => [
        context.symbol,
        figure(context.price),
        new Date(context.timestamp).toISOString(),
        percent(context.change_1h),
        percent(context.change_4h),
        context.funding_rate === null ? '-' : `${(context.funding_rate * 100).toFixed(4)} %`,
        figure(context.open_interest),
        figure(context.indicators.rsi14),
        figure(terms.get(context.symbol)?.max_leverage),
      ]),
    ),
  );
  const [only] = contexts;
  if (!whole || only === undefined) return;
  print('');
  print(
    table(
      ['indicator', 'value'],
      Object.entries(only.indicators).map(([name, value]) => [name, figure(value)]),
    ),
  );
}
