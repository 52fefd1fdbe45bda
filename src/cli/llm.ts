/** `nof0 llm`: what language models remember and what they may still spend. */

import type { Command } from 'commander';
import { marketDay } from '../domain/time.ts';
import type { Trader } from '../engine/context.ts';
import { warmResponses } from '../engine/warm-responses.ts';
import { openTraders } from '../resources.ts';
import { usageOfDay } from '../store/llm-budget.ts';
import { parseCount, parseMoment } from './flags.ts';
import { note, print, printJson, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

const DEFAULT_LIMIT = '1000';

export function llmCommand(program: Command): void {
  const llm = program.command('llm').description('language models: what they remember, what they may still spend');
  warmCommand(llm);
  budgetCommand(llm);
}

function warmCommand(llm: Command): void {
  llm
    .command('warm')
    .description('fill the cache of remembered answers from stored decisions')
    .option('--model <id>', 'of one model')
    .option('--limit <n>', 'newest answers of each model, at most', DEFAULT_LIMIT)
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { model?: string; limit: string }>();
      const limit = parseCount('--limit', flags.limit, 1);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('llm');
        const traders = speakers(openTraders(resources), flags.model);
        if (traders.length === 0) note('no model of the arena file is asked in words');
        for (const trader of traders) {
          const warmed = await warmResponses(resources.db, trader, limit);
          const { id } = trader.participant;
          if (warmed === null) note(`${id} remembers nothing in this run: see endpoint.cache`);
          else print(`${id}: ${warmed.kept} answers, ${warmed.passedOver} to questions that read differently today`);
        }
      });
    });
}

function budgetCommand(llm: Command): void {
  llm
    .command('budget')
    .description('tokens and dollars of a market day: used, reserved, allowed')
    .option('--day <moment>', 'a moment of the day; today if absent')
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { day?: string; json?: boolean }>();
      const day = marketDay(parseMoment('--day', flags.day) ?? Date.now());
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('llm');
        const used = new Map((await usageOfDay(resources.db, day)).map((row) => [row.modelId, row]));
        const nothing = { requests: 0, usedTokens: 0, reservedTokens: 0, costUsd: 0, reservedUsd: 0 };
        const rows = speakers(openTraders(resources)).flatMap(({ participant: { id, dailyTokens, dailyUsd } }) =>
          // Headlines of the equities desk have an account of their own.
          [id, `${id}:headlines`]
            .filter((modelId) => modelId === id || used.has(modelId))
            .map((modelId) => ({
              ...(used.get(modelId) ?? { modelId, ...nothing }),
              ...{ dailyTokens: dailyTokens ?? null, dailyUsd: dailyUsd ?? null },
            })),
        );
        if (flags.json) printJson({ day, budgets: rows });
        else print(`${day}\n\n${budgetTable(rows)}`);
      });
    });
}

type BudgetRow = Awaited<ReturnType<typeof usageOfDay>>[number] & {
  readonly dailyTokens: number | null;
  readonly dailyUsd: number | null;
};

function budgetTable(rows: readonly BudgetRow[]): string {
  return table(
    ['model', 'calls', 'tokens', 'reserved', 'of', 'USD', 'reserved', 'of'],
    rows.map((row) => [
      row.modelId,
      row.requests,
      row.usedTokens,
      row.reservedTokens,
      row.dailyTokens ?? 'unlimited',
      row.costUsd.toFixed(4),
      row.reservedUsd.toFixed(4),
      row.dailyUsd ?? 'unlimited',
    ]),
  );
}

/** The models that are asked in words: all of them, or the one that is named. */
function speakers(traders: ReadonlyMap<string, Trader>, id?: string): Trader[] {
  return [...traders.values()].filter(
    ({ participant, model }) => !model.deterministic && (id === undefined || participant.id === id),
  );
}
