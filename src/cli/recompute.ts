/** `nof0 recompute`: analytics from the whole history, beside what was counted. */

import type { Command } from 'commander';
import pc from 'picocolors';
import { recomputeMetrics } from '../engine/equity-metrics.ts';
import { type Recomputation, recomputeModel } from '../engine/recompute-analytics.ts';
import { CodedError } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { accounts } from '../store/equity.ts';
import { isReplay } from '../store/runs.ts';
import { print, printJson, table } from './output.ts';
import { type Bar, startBar } from './progress.ts';
import { type CommonFlags, withSession } from './session.ts';

export function recomputeCommand(program: Command): void {
  program
    .command('recompute')
    .description(
      'compute the analytics of a model, or of all, from their whole history; report where the counted ones differ (exit 1) and count them anew',
    )
    .argument('[model]', 'id of a model, or "all"', 'all')
    .option('--json', 'as JSON')
    .action(async (model: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { json?: boolean }>();
      await withSession(flags, {}, async (session) => {
        const bar = startBar('recompute', flags.json);
        const results = await recompute(await session.resources('recompute'), model, bar).finally(() => bar.end());
        const differences = results.flatMap((result) => result.differences);
        if (flags.json) printJson({ run: session.run, clean: differences.length === 0, models: results });
        else report(results, differences);
        if (differences.length > 0) process.exitCode = 1;
      });
    });
}

type Result = Omit<Recomputation, 'effects'>;

/** Throws NOF0_MODEL_UNKNOWN. */
export async function recompute({ db, outbox, run }: Resources, model: string, bar?: Bar): Promise<Result[]> {
  const known = (await accounts(db)).map((owner) => owner.modelId);
  if (model !== 'all' && !known.includes(model))
    throw new CodedError('NOF0_MODEL_UNKNOWN', `there is no model "${model}"; known are ${known.join(', ') || 'none'}`);
  const nowMs = isReplay(run) ? (run.marketNowMs ?? 0) : Date.now();
  const results: Result[] = [];
  const ids = model === 'all' ? known : [model];
  for (const [done, id] of ids.entries()) {
    bar?.show(done, ids.length, id);
    const result = await recomputeModel(db, run.kind, id, nowMs);
    if (result === null) continue;
    const { effects, ...figures } = result;
    await outbox.drain(effects);
    const metrics = await recomputeMetrics(db, run.seed, id);
    results.push({ ...figures, differences: [...figures.differences, ...metrics] });
  }
  return results;
}

function report(results: readonly Result[], differences: readonly string[]): void {
  print(
    table(
      ['model', 'trades', 'cycles', 'figures', 'differences'],
      results.map((each) => [each.modelId, each.trades, each.cycles, each.figures, each.differences.length]),
    ),
  );
  for (const difference of differences) print(pc.red(difference));
  print(
    differences.length === 0
      ? `\n${pc.green('what was counted is what the history says')}`
      : `\n${pc.red(`${differences.length} figures were put right`)}`,
  );
}
