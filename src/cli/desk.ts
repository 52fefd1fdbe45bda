/** `nof0 desk`: what the equities desk watches, holds and sees. */

import type { Command } from 'commander';
import type { DeskView } from '../domain/desk/published.ts';
import { viewDesk } from '../projections/desk-view.ts';
import { print, printJson, table, usd } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export function deskCommand(program: Command): void {
  program
    .command('desk')
    .description(
      'the equities desk: market, watchlist, candidates, positions with their monitoring, signals, performance',
    )
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const { publisher } = await session.resources('desk');
        const seen = await viewDesk(publisher);
        if (flags.json) printJson({ run: session.run, ...seen });
        else show(seen);
      });
    });
}

function show({ system, watchlist, candidates, positions, signals, performance, market }: DeskView): void {
  print(`${system.timestamp}  ${system.state}, market ${system.market_status}`);
  if (market) print(`market     ${market.market_regime}, VIX ${market.vix}`);
  print(`watchlist  ${watchlist.join(', ') || 'empty'}\n`);
  print(
    table(
      ['candidate', 'score', 'price', 'signals'],
      candidates.map((each) => [each.symbol, each.score, usd(each.price), each.signals.join(', ')]),
    ),
  );
  print();
  print(
    table(
      ['position', 'side', 'quantity', 'entry', 'now', 'profit', 'stop', 'target', 'held'],
      positions.flatMap(({ position, monitoring }) => {
        if (position === null) return [];
        const { symbol, side, quantity, entry_price, current_price, unrealized_pnl, stop_loss, take_profit } = position;
        const levels = [stop_loss, take_profit].map((level) => (level === null ? '' : usd(level)));
        const row = [symbol, side, quantity, usd(entry_price), usd(current_price), usd(unrealized_pnl)];
        return [[...row, ...levels, monitoring?.time_in_trade ?? '']];
      }),
    ),
  );
  print();
  print(
    table(
      ['signal', 'symbol', 'reason', 'price', 'confidence', 'seen'],
      signals.flatMap(({ type, symbol, signal }) =>
        signal === null ? [] : [[type, symbol, signal.reason, usd(signal.price), signal.confidence, signal.timestamp]],
      ),
    ),
  );
  if (performance)
    print(
      `\nsession    ${usd(performance.daily_pnl)} USD (${performance.daily_pnl_pct} %), ${performance.win_count} won, ${performance.loss_count} lost`,
    );
}
