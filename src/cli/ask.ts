/** `nof0 ask`: a stored decision, asked again of another model or with another prompt. */

import path from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import { readPrompt } from '../config.ts';
import { closest } from '../domain/closest.ts';
import type { Decision } from '../domain/decision.ts';
import { type AskedAgain, askAgain, type Said } from '../engine/ask-again.ts';
import type { Trader } from '../engine/context.ts';
import { CodedError, type Fault } from '../errors.ts';
import { openTraders } from '../resources.ts';
import { operator } from '../telemetry/operator.ts';
import { CYCLE_ARGUMENT, findCycle } from './cycle.ts';
import { moment, print, printJson, shorten, table, usd } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const REASONING_LENGTH = 240;

type AskFlags = CommonFlags & { readonly with?: string; readonly prompt?: string; readonly json?: boolean };

export function askCommand(program: Command): void {
  program
    .command('ask')
    .description(
      'ask a stored decision again, on exactly its inputs, and show both answers; changes nothing in the arena',
    )
    .argument('<cycle>', CYCLE_ARGUMENT)
    .option('--with <model>', 'a model of the arena file; the one that decided if absent')
    .option('--prompt <file>', "another wording than the model's own")
    .option('--json', 'as JSON')
    .action(async (text: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<AskFlags>();
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('ask');
        const cycle = await findCycle(resources.db, text);
        const trader = traderOf(openTraders(resources), flags.with ?? cycle.trader_id);
        const prompt = flags.prompt === undefined ? trader.prompt : promptFile(flags.prompt, trader);
        const caller = { db: resources.db, seed: resources.run.seed, who: operator() };
        const asked = await askAgain(caller, cycle, { trader, prompt }, new AbortController().signal);
        if (flags.json) printJson(asked);
        else report(asked);
        if (asked.again.error !== null) process.exitCode = 1;
      });
    });
}

function traderOf(traders: ReadonlyMap<string, Trader>, id: string): Trader {
  const trader = traders.get(id);
  if (trader !== undefined) return trader;
  const ids = [...traders.keys()];
  const guess = closest(id, ids);
  throw new CodedError(
    'NOF0_MODEL_UNKNOWN',
    `model "${id}" is not in the arena file; it has ${ids.join(', ')}${guess ? ` (did you mean ${guess}?)` : ''}`,
  );
}

function promptFile(file: string, { participant, model }: Trader) {
  if (model.deterministic)
    throw new CodedError(
      'NOF0_INPUT_INVALID',
      `--prompt: ${participant.id} is a built-in strategy, asked without words`,
    );
  const faults: Fault[] = [];
  const prompt = readPrompt(path.resolve(file), faults);
  if (prompt === null) throw new CodedError('NOF0_INPUT_INVALID', `${file} is no prompt`, { faults });
  return prompt;
}

function report({ cycle, stored, again }: AskedAgain): void {
  print(
    `cycle ${cycle.id}: decision ${cycle.cycleNumber} of ${pc.bold(cycle.modelId)} at ${moment(new Date(cycle.slotMs))}; inputs as stored`,
  );
  print();
  const both = (name: string, show: (said: Said) => string) => [pc.dim(name), show(stored), show(again)];
  print(
    table(
      ['', 'then', 'now'],
      [
        both('model', ({ model }) => model),
        both('prompt', ({ promptVersion }) => promptVersion ?? 'none'),
        both('tokens', ({ promptTokens, completionTokens }) => `${promptTokens} + ${completionTokens}`),
        both('cost', ({ costUsd, isCached }) => `${costUsd.toFixed(6)} USD${isCached ? ' (remembered)' : ''}`),
        both('took', ({ latencyMs }) => `${latencyMs} ms`),
        ...symbolsOf(stored, again).map((symbol) => both(symbol, (said) => decisionsOn(said, symbol))),
      ],
    ),
  );
  for (const [when, said] of [
    ['then', stored],
    ['now', again],
  ] as const) {
    const text = said.error ?? said.answer?.reasoning ?? '';
    print(`\n${pc.dim(when)} ${said.error === null ? '' : pc.red('no answer: ')}${shorten(text, REASONING_LENGTH)}`);
  }
}

function symbolsOf(...said: readonly Said[]): string[] {
  return [...new Set(said.flatMap(({ answer }) => (answer?.decisions ?? []).map(({ symbol }) => symbol)))].sort();
}

function decisionsOn({ answer }: Said, symbol: string): string {
  const own = (answer?.decisions ?? []).filter((decision) => decision.symbol === symbol);
  return own.map(inShort).join(', then ') || '-';
}

function inShort({ action, position_size_usd, leverage, stop_loss, take_profit, confidence }: Decision): string {
  return [
    action,
    typeof position_size_usd === 'number' && action.startsWith('open') ? `${usd(position_size_usd)} USD` : '',
    typeof leverage === 'number' && action.startsWith('open') ? `x${leverage}` : '',
    typeof stop_loss === 'number' ? `stop ${stop_loss}` : '',
    typeof take_profit === 'number' ? `target ${take_profit}` : '',
    `(${confidence})`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}
