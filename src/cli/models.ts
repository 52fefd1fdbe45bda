/** `nof0 models`: who takes part, since when, with which settings, and who has left. */

import type { Command } from 'commander';
import { findModels } from '../engine/control.ts';
import { addModel, retireModel } from '../engine/control-models.ts';
import { CodedError } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { account } from '../store/equity.ts';
import { listModels, modelConfig, modelHistory } from '../store/models.ts';
import { readRun } from '../store/runs.ts';
import { traderStates } from '../store/trader-state.ts';
import { confirm } from './confirm.ts';
import { withDesk } from './control.ts';
import { parseCount, parseWait } from './flags.ts';
import { listCommand } from './list-command.ts';
import { moment, note, print, printJson, table, usd } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const DIGEST_SHOWN = 12;

type Flags = CommonFlags & { readonly json?: boolean };

export function modelsCommand(program: Command): void {
  const models = program.command('models').description('participants: list, add, retire, history of their settings');
  listCommand(models, {
    description: 'list the participants',
    read: participants,
    head: ['model', 'name', 'state', 'exchange', 'began with', 'since', 'settings'],
    cells: (row) => [
      row.id,
      row.displayName,
      row.state ?? '',
      row.exchangeProvider,
      row.initialEquityUsd === null ? '' : usd(row.initialEquityUsd),
      row.inceptionMs === null ? '' : moment(new Date(row.inceptionMs)),
      row.configDigest ?? '',
    ],
    empty: 'nobody takes part yet',
  });
  historyCommand(models);
  addCommand(models);
  retireCommand(models);
}

async function participants({ db }: Resources) {
  const rows = await listModels(db);
  const ids = rows.map(({ id }) => id);
  const states = new Map((await traderStates(db, ids)).map((row) => [row.traderId, row.state]));
  return Promise.all(
    rows.map(async (row) => {
      const [owner, [changed]] = await Promise.all([account(db, row.id), modelHistory(db, row.id, 1)]);
      return {
        ...row,
        state: states.get(row.id) ?? null,
        initialEquityUsd: owner?.initialEquityUsd ?? null,
        inceptionMs: owner?.inceptionTsMs ?? null,
        configDigest: changed?.configDigest ?? null,
      };
    }),
  );
}

function historyCommand(models: Command): void {
  models
    .command('history')
    .description('when a model was added, configured or retired, by whom, with which settings and prompt')
    .argument('<model>', 'its id')
    .option('--config <digest>', 'show the settings and the prompt with this digest instead')
    .option('--limit <n>', 'how many at most, newest first', '50')
    .option('--json', 'as JSON')
    .action(async (word: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags & { config?: string; limit: string }>();
      const limit = parseCount('--limit', flags.limit, 1);
      await withSession(flags, {}, async (session) => {
        const { db } = await session.resources('models');
        const [id = word] = await findModels({ db }, `model:${word.replace(/^model:/, '')}`);
        if (flags.config !== undefined) return printJson(await configOf(db, id, flags.config));
        const changes = await modelHistory(db, id, limit);
        if (flags.json) return printJson(changes);
        if (changes.length === 0) return note('nothing is written down about it: it came before there was a history');
        const cells = changes.map((change) => [
          moment(new Date(change.atMs)),
          change.what,
          change.who,
          change.configDigest?.slice(0, DIGEST_SHOWN) ?? '',
          change.promptDigest?.slice(0, DIGEST_SHOWN) ?? '',
        ]);
        print(table(['when', 'what', 'who', 'settings', 'prompt'], cells));
      });
    });
}

async function configOf(db: Parameters<typeof modelConfig>[0], id: string, digest: string): Promise<object> {
  const found = await modelConfig(db, id, digest);
  if (found !== null) return found.config;
  throw new CodedError(
    'NOF0_INPUT_INVALID',
    `"${id}" never had settings "${digest}"; nof0 models history ${id} lists them`,
  );
}

function addCommand(models: Command): void {
  models
    .command('add')
    .description('take a model that the arena file names into the run; restart the workers so that they know it')
    .argument('<model>', 'its id in the arena file')
    .option('--json', 'as JSON')
    .action(async (id: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      await withDesk(flags, async (desk) => {
        const run = await readRun(desk.control.db);
        if (run === null) throw new CodedError('NOF0_INTERNAL', 'the run is gone');
        const added = await addModel(desk, run, id);
        if (flags.json) return printJson(added);
        print(added.added ? `${id} takes part now` : `${id} takes part: nothing to do`);
        if (added.added) note('its first decisions come from workers that are started from now on');
      });
    });
}

function retireCommand(models: Command): void {
  models
    .command('retire')
    .description('let a model leave for good; it must be flat, or --close says that its positions are to be closed')
    .argument('<model>', 'its id')
    .option('--close', 'close its positions at the market and cancel its orders first')
    .option('--wait <duration>', 'how long a cycle in flight may take to end', '75s')
    .option('--yes', 'do not ask')
    .option('--json', 'as JSON')
    .action(async (word: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags & { close?: boolean; wait: string; yes?: boolean }>();
      const waitMs = parseWait('--wait', flags.wait);
      await withDesk(flags, async (desk) => {
        const [id = word] = await findModels(desk.control, `model:${word.replace(/^model:/, '')}`);
        await confirm(`This lets ${id} leave for good.`, flags);
        const done = await retireModel(desk, id, flags.close === true, waitMs);
        if (!done.retired) process.exitCode = 1;
        if (flags.json) return printJson(done);
        if (done.closing !== null)
          note(`closed ${done.closing.closed.length} positions, canceled ${done.closing.canceled} orders`);
        if (done.retired) return print(`${id} is retired${done.changed ? ' now' : ': nothing to do'}`);
        print(`${id} is paused and not retired: some of its positions could not be closed; run it again`);
      });
    });
}
