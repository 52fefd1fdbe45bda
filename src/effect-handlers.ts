/** What becomes of effects: keys are refreshed, jobs reach their queue, trades the stream. */

import { type AlertDoors, alertRetryMs, deliverAlert } from './consumers/alert-effects.ts';
import { parseJournalTarget } from './domain/journal.ts';
import type { Family } from './domain/published-keys.ts';
import { parseTarget, type Target } from './domain/published-keys.ts';
import { contractOf, parsePayload } from './jobs/registry.ts';
import type { Journal } from './journal/journal.ts';
import type { PriceKeys } from './projections/price-keys.ts';
import type { Publisher } from './projections/publisher.ts';
import type { TradeStream } from './projections/trade-stream.ts';
import { FAMILIES } from './redis/keys.ts';
import type { Enqueue, JobQueues } from './redis/queues.ts';
import { Batcher } from './store/batcher.ts';
import type { Database } from './store/database.ts';
import { buryJob } from './store/dead-letters.ts';
import type { EffectRow, EnqueueEffect } from './store/effects.ts';
import { journalOfSlot } from './store/journal.ts';
import type { Outbox } from './store/outbox.ts';
import { crossing } from './telemetry/boundaries.ts';
import type { Logger } from './telemetry/logger.ts';

export type EffectDoors = {
  readonly db: Database;
  readonly publisher: Publisher;
  readonly prices: PriceKeys;
  readonly queues: JobQueues;
  readonly stream: TradeStream;
  readonly alerts: AlertDoors;
  readonly logger: Logger;
  /** Null: files that are asked for are left to other processes. */
  readonly journal: Journal | null;
  /** In a replay days pass in seconds: keys and the stream are written only this often, and no job waits for it. Null where people wait for them. */
  readonly gatherMs: number | null;
};

const PRICE_FAMILIES: ReadonlySet<Family> = new Set<Family>(['priceLatest', 'priceLatestByProvider', 'cryptoPrices']);

/** What moves a trader's positions moves the account at the paper exchange: its keys ride on the same effect. */
function withPaper(target: Target): Target[] {
  if (target.family !== 'positions') return [target];
  return [target, { family: 'simOrders', ids: target.ids }, { family: 'simBalances', ids: target.ids }];
}

/** Values that take long to load: a ranking that people watch does not wait behind them. */
const LONG_FAMILIES: ReadonlySet<Family> = new Set<Family>(['analytics', 'analyticsAll', 'sinceInception']);

/** A target that names less than its family's keys take (the provider alone, or nothing) stands for all of them. */
async function everyKey(publisher: Publisher, targets: readonly Target[]): Promise<Target[]> {
  const whole = ({ family, ids }: Target) => ids.length < FAMILIES[family].pattern.split('{}').length - 1;
  const families = [...new Set(targets.filter(whole).map(({ family }) => family))];
  const named = targets.filter((target) => !whole(target));
  if (families.length === 0) return named;
  return [...named, ...(await publisher.allTargets(families))];
}

/** How BullMQ says that it gave a job up because its processes died. */
export const STALLED_TOO_OFTEN = /stalled more than allowable/;

export function registerEffects(outbox: Outbox, doors: EffectDoors): void {
  const gathered = doors.gatherMs === null ? {} : { gatherMs: doors.gatherMs };
  // Refreshes of one process go one after the other: models that finish together share a token, a load and a pipeline.
  const refreshed = async (targets: readonly Target[]) => {
    const projected = targets.filter((target) => !PRICE_FAMILIES.has(target.family));
    await Promise.all([
      everyKey(doors.publisher, projected.flatMap(withPaper)).then((keys) => doors.publisher.refresh(keys)),
      targets.length > projected.length ? doors.prices.refresh() : undefined,
    ]);
  };
  const [watched, long] = [new Batcher<Target>(refreshed), new Batcher<Target>(refreshed)];
  outbox.register(
    'project',
    async (rows) => {
      const targets = rows.map((row) => parseTarget(row.target)).filter((target): target is Target => target !== null);
      const slow = targets.filter(({ family }) => LONG_FAMILIES.has(family));
      await Promise.all([
        slow.length > 0 ? long.add(slow) : undefined,
        slow.length < targets.length ? watched.add(targets.filter((target) => !slow.includes(target))) : undefined,
      ]);
    },
    gathered,
  );
  outbox.register(
    'enqueue',
    async (rows) => {
      const poison = await buryPoison(
        doors,
        rows.filter((row) => row.attempts > 0),
      );
      // Of what was gathered for one run, the last request says most.
      const wanted = new Map(rows.filter((row) => !poison.has(row)).map((row) => [row.target, row]));
      await crossing('write queue', () => doors.queues.add([...wanted.values()].map(toEnqueue)));
    },
    { ...gathered, gathers: ({ payload }) => payload.aside === true },
  );
  outbox.register(
    'alert',
    (rows) => Promise.all(rows.map((row) => deliverAlert(doors.alerts, row))).then(() => undefined),
    {
      alone: true,
      retryMs: alertRetryMs,
    },
  );
  outbox.register('stream', (rows) => crossing('write trades:stream', () => doors.stream.publish(rows)), {
    ...gathered,
    ordered: true,
    unsafe: (rows) => doors.stream.forgettable(rows),
  });
  const { journal } = doors;
  if (journal !== null) outbox.register('journal', (rows) => writeJournals(doors.db, journal, rows));
}

/** Files of cycles that are gone (pruned, or never finished) are nobody's business any more. */
async function writeJournals(db: Database, journal: Journal, rows: readonly EffectRow[]): Promise<void> {
  for (const row of rows) {
    const cycle = parseJournalTarget(row.target);
    const record = cycle === null ? null : await journalOfSlot(db, cycle.modelId, cycle.slotMs);
    if (record !== null) await crossing('write journal', () => journal.write(record, `${process.pid}-${row.id}`));
  }
  await journal.prune();
}

/** The job that an effect promises, as its queue takes it. */
export function toEnqueue(row: Pick<EffectRow, 'target' | 'attempts'> & { readonly payload: object }): Enqueue {
  const { job, data, again, delayMs } = row.payload as EnqueueEffect['payload'];
  return {
    job: contractOf(job).name,
    data: data as { v: number },
    identity: row.target,
    again: again === true || row.attempts > 0,
    delayMs: delayMs ?? 0,
  };
}

/**
 * The relay offers jobs again that nobody acknowledged. One that the queue gave up because its processes died again and again would only
 * kill the next one: it goes to the dead letters instead.
 */
async function buryPoison(doors: EffectDoors, rows: readonly EffectRow[]): Promise<Set<EffectRow>> {
  const buried = new Set<EffectRow>();
  for (const row of rows) {
    const entry = toEnqueue(row);
    const givenUp = await doors.queues.givenUp(entry);
    if (givenUp === null || !STALLED_TOO_OFTEN.test(givenUp.reason)) continue;
    // What failed before this promise was made is an old story: somebody has redriven the job since.
    if ((givenUp.job.finishedOn ?? 0) < row.createdAt.getTime()) continue;
    const contract = contractOf(entry.job);
    const { job } = givenUp;
    const letter = {
      job: entry.job,
      identity: entry.identity,
      jobId: job.id ?? '',
      modelId: contract.modelOf(parsePayload(contract, entry.data)),
      payload: entry.data,
      errorCode: 'NOF0_JOB_POISON',
      errorMessage: `the process of this job died ${job.stalledCounter} times`,
      attempts: job.attemptsMade,
      stalls: job.stalledCounter,
    };
    await buryJob(doors.db, letter, [row.id]);
    doors.logger.error(
      { job: letter.job, jobId: letter.jobId, stalls: letter.stalls },
      'a job killed its process too often',
    );
    buried.add(row);
  }
  return buried;
}
