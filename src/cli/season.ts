/** `nof0 season`: a stretch of the arena with a ranking of its own. */

import type { Command } from 'commander';
import { rankSeason } from '../domain/season.ts';
import { endSeason, findSeason, freezeSeason, resetSeason, type SeasonChange, startSeason } from '../engine/season.ts';
import { listSeasons, type Season, seasonStandings } from '../store/seasons.ts';
import { confirm } from './confirm.ts';
import { withDesk } from './control.ts';
import { parseWait } from './flags.ts';
import { listCommand } from './list-command.ts';
import { moment, note, print, printJson, table, usd } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

type Flags = CommonFlags & { readonly json?: boolean };

export function seasonCommand(program: Command): void {
  const season = program.command('season').description('seasons of the arena: start, end, freeze the ranking, reset');
  listCommand(season, {
    description: 'list the seasons, newest first',
    read: ({ db }) => listSeasons(db),
    head: ['season', 'state', 'started', 'ended', 'winner', 'reset'],
    cells: (each) => [
      each.name,
      each.state,
      at(each.startsMs),
      at(each.endsMs),
      each.finalRanking?.[0]?.id ?? '',
      at(each.resetAtMs),
    ],
    empty: 'there has been no season yet: nof0 season start NAME',
  });
  showCommand(season);
  startCommand(season);
  endCommand(season);
  season
    .command('freeze')
    .description('store the final ranking of the season that has ended; nobody changes it afterwards')
    .option('--json', 'as JSON')
    .action((_options, command: Command) => change(command, (desk) => freezeSeason(desk), 'frozen'));
  season
    .command('reset')
    .description('after the freeze: bring every account back to what it began with (paper exchange), by a transfer')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .action((_options, command: Command) =>
      change(command, (desk) => resetSeason(desk), 'reset', 'This brings every account back to what it began with.'),
    );
}

function showCommand(season: Command): void {
  season
    .command('show')
    .description('show the ranking of a season: the final one, or how it stands now')
    .argument('[name]', 'the newest by default')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('season');
        const found = await findSeason(db, name);
        const ranking = found.finalRanking ?? rankSeason(await seasonStandings(db, found.id));
        if (flags.json) return printJson({ ...found, ranking });
        print(
          `${found.name}: ${found.state}, started ${at(found.startsMs)}${found.endsMs ? `, ended ${at(found.endsMs)}` : ''}\n`,
        );
        const rows = ranking.map((each) => [
          each.place,
          each.id,
          `${each.return_pct.toFixed(2)} %`,
          usd(each.opening_equity),
          usd(each.equity),
          each.num_trades,
          each.num_wins,
          usd(each.fees),
        ]);
        print(table(['', 'model', 'return', 'began with', 'equity', 'trades', 'wins', 'fees'], rows));
      });
    });
}

function startCommand(season: Command): void {
  season
    .command('start')
    .description('start a season: everybody enters with the equity of this moment')
    .argument('<name>', 'its name, for ever')
    .option('--resume', 'let paused models go on (halted ones stay)')
    .option('--json', 'as JSON')
    .action((name: string, _options, command: Command) => {
      const { resume = false } = command.optsWithGlobals<{ resume?: boolean }>();
      return change(command, (desk) => startSeason(desk, name, resume), 'running');
    });
}

function endCommand(season: Command): void {
  season
    .command('end')
    .description('end the running season: its models are paused, their positions keep their stops')
    .option('--flatten', 'close all positions first')
    .option('--wait <duration>', 'how long a cycle in flight may take to end', '20s')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .action((_options, command: Command) => {
      const { flatten = false, wait } = command.optsWithGlobals<{ flatten?: boolean; wait: string }>();
      const waitMs = parseWait('--wait', wait);
      const asked = flatten ? 'This pauses every model and closes all positions.' : null;
      return change(command, (desk) => endSeason(desk, flatten, waitMs), 'ended', asked);
    });
}

async function change(
  command: Command,
  act: (desk: Parameters<typeof freezeSeason>[0]) => Promise<SeasonChange>,
  state: string,
  question: string | null = null,
): Promise<void> {
  const flags = command.optsWithGlobals<Flags & { yes?: boolean }>();
  if (question !== null) await confirm(question, flags);
  await withDesk(flags, async (desk) => {
    const { season, changed } = await act(desk);
    if (flags.json) return printJson({ season, changed });
    print(`season "${season.name}" is ${state}${changed ? ' now' : ': nothing to do'}`);
    if (changed && state !== 'reset') say(season);
  });
}

/** What comes next. */
function say({ state }: Season): void {
  if (state === 'ended') note('store its ranking with: nof0 season freeze');
  if (state === 'frozen')
    note('see it with: nof0 season show. A next one begins with: nof0 season start NAME --resume');
}

function at(ms: number | null): string {
  return ms === null ? '' : moment(new Date(ms));
}
