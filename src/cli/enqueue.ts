/** `nof0 enqueue`: run a job now. It goes through the outbox like every other, so it is never lost. */

import type { Command } from 'commander';
import { pace } from '../config.ts';
import { closest } from '../domain/closest.ts';
import { slotAt } from '../domain/time.ts';
import { CodedError } from '../errors.ts';
import {
  contractOf,
  enqueueEffect,
  JOB_NAMES,
  type JobName,
  jobsOf,
  type PayloadInput,
  parsePayload,
} from '../jobs/registry.ts';
import type { Resources } from '../resources.ts';
import { addEffects } from '../store/effects.ts';
import { modelIds } from '../store/models.ts';
import { parseJsonObject } from './flags.ts';
import { print } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';

export function enqueueCommand(program: Command): void {
  program
    .command('enqueue')
    .description(`run a job now: ${JOB_NAMES.join(', ')}`)
    .argument('<job>', 'name of the job')
    .option('--model <id>', 'model the job is for')
    .option('--data <json>', 'fields of the payload, as JSON; what is left out gets its default')
    .action(async (job: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { model?: string; data?: string }>();
      const contract = contractOf(job);
      const data = flags.data === undefined ? {} : parseJsonObject('--data', flags.data);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('enqueue');
        assertOwn(resources, contract.name);
        const payload = parsePayload(contract, {
          ...defaults(resources, contract.name as JobName),
          ...(flags.model === undefined ? {} : { modelId: flags.model }),
          ...data,
        });
        await assertModel(resources, contract.modelOf(payload));
        const effect = enqueueEffect(contract.name as JobName, payload as PayloadInput<JobName>);
        await resources.outbox.drain(await addEffects(resources.db, [effect]));
        print(
          `enqueued ${effect.target}${session.ownsServers ? ' (nothing is running now: it runs at the next start)' : ''}`,
        );
      });
    });
}

/** Throws NOF0_JOB_UNKNOWN for a job of the other desk: nobody in this run would take it. */
function assertOwn({ run }: Resources, name: string): void {
  const own = jobsOf(run.kind);
  if (!own.some((job) => job === name))
    throw new CodedError(
      'NOF0_JOB_UNKNOWN',
      `runs of this kind have no job "${name}"; expected one of ${own.join(', ')}`,
    );
}

/** Fields that "now" gives: the run's market time, the current slot, the run's provider. */
function defaults(resources: Resources, job: JobName): Record<string, unknown> {
  const nowMs = resources.run.marketNowMs ?? Date.now();
  if (job === 'price-ingest') return { provider: resources.run.kind, asOfMs: nowMs };
  if (job === 'decision-cycle')
    return { slotMs: slotAt(nowMs, pace(resources.config.arena, resources.run.kind).decision) };
  return { asOfMs: nowMs };
}

async function assertModel(resources: Resources, modelId: string | null): Promise<void> {
  if (modelId === null) return;
  const known = await modelIds(resources.db);
  if (known.includes(modelId)) return;
  const guess = closest(modelId, known);
  throw new CodedError(
    'NOF0_MODEL_UNKNOWN',
    `no model "${modelId}" in this run; expected one of ${known.join(', ') || '(none)'}${guess ? ` (did you mean ${guess}?)` : ''}`,
  );
}
