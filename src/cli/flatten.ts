/** `nof0 close`, `nof0 flatten` and `nof0 halt`: getting out of positions. */

import type { Command } from 'commander';
import { findModels } from '../engine/control.ts';
import { closePosition, type Flattened, flattenModels } from '../engine/control-positions.ts';
import type { ClosedOrder, Closing } from '../engine/flatten.ts';
import { confirm } from './confirm.ts';
import { withDesk } from './control.ts';
import { parseWait } from './flags.ts';
import { print, printJson } from './output.ts';
import type { CommonFlags } from './session.ts';

type Flags = CommonFlags & { readonly wait: string; readonly yes?: boolean; readonly json?: boolean };

/** A cycle may wait a minute for its model, and some seconds for the exchange. */
const CLOSE_WAIT = '75s';
/** Of a paused trader the cycle is given up after that; it cannot trade any more. */
const FLATTEN_WAIT = '20s';

export function closeCommand(program: Command): void {
  options(program.command('close'), CLOSE_WAIT)
    .description(
      "close a model's position in one symbol, with its orders, between two of its cycles; the model goes on",
    )
    .argument('<model>', 'a model')
    .argument('<symbol>', 'such as BTC')
    .action(async (word: string, symbol: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      const waitMs = parseWait('--wait', flags.wait);
      await withDesk(flags, async (desk) => {
        const [model = word] = await findModels(desk.control, `model:${word.replace(/^model:/, '')}`);
        await confirm(`This closes ${symbol} of ${model}.`, flags);
        const closing = await closePosition(desk, model, symbol, waitMs);
        if (flags.json) printJson(closing);
        else print(closingLine(closing, symbol));
        if (!closing.flat) process.exitCode = 1;
      });
    });
}

export function flattenCommand(program: Command): void {
  options(program.command('flatten'), FLATTEN_WAIT)
    .description(
      'pause a model, cancel its orders, close its positions and look whether it is flat; exits 1 when it is not',
    )
    .argument('<model>', 'a model, or "all"')
    .action(async (word: string, _options, command: Command) => flatten(word, command));
}

export function haltCommand(program: Command): void {
  options(program.command('halt'), FLATTEN_WAIT)
    .description('the emergency stop: pause all models and flatten them; exits 1 when one is not flat')
    .action(async (_options, command: Command) => flatten('all', command));
}

function options(command: Command, wait: string): Command {
  return command
    .option('--wait <duration>', 'how long a cycle in flight may take to end', wait)
    .option('-y, --yes', 'do not ask')
    .option('--json', 'as JSON');
}

async function flatten(word: string, command: Command): Promise<void> {
  const flags = command.optsWithGlobals<Flags>();
  const waitMs = parseWait('--wait', flags.wait);
  await withDesk(flags, async (desk) => {
    const models = await findModels(desk.control, word);
    await confirm(`This pauses ${models.join(', ')} and closes all their positions.`, flags);
    const flattened = await flattenModels(desk, models, waitMs);
    if (flags.json) printJson(flattened);
    else for (const each of flattened) print(flattenedLine(each));
    if (!flattened.every(({ closing }) => closing?.flat)) process.exitCode = 1;
  });
}

function flattenedLine({ model, paused, closing, error }: Flattened): string {
  if (closing === null) return `${model}: ${paused.state}, NOT CLOSED: ${error?.code} ${error?.message}`;
  return closingLine(closing, null, `${paused.state}, `);
}

function closingLine({ model, flat, closed, canceled, left }: Closing, symbol: string | null, state = ''): string {
  const done = [
    ...closed.map(orderSaid),
    ...(canceled > 0 ? [`canceled ${canceled} order${canceled === 1 ? '' : 's'}`] : []),
  ];
  const did = done.length === 0 ? 'nothing to do' : done.join(', ');
  if (flat) return `${model}: ${state}${symbol === null ? 'flat' : `${symbol} closed`} (${did})`;
  const rest = [
    ...left.positions.map((position) => `${position.quantity} ${position.symbol}`),
    ...left.orders.map((order) => `${order.kind} order ${order.oid} on ${order.symbol}`),
  ];
  return `${model}: ${state}NOT FLAT: ${rest.join(', ')} left (${did})`;
}

function orderSaid({ symbol, side, size, status, filledSize, avgPrice, error }: ClosedOrder): string {
  const verb = side === 'sell' ? 'sold' : 'bought';
  if (filledSize > 0) return `${verb} ${filledSize}${filledSize < size ? ` of ${size}` : ''} ${symbol} at ${avgPrice}`;
  return `${side} ${size} ${symbol} ${status}: ${error ?? 'no reason given'}`;
}
