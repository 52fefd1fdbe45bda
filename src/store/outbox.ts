/**
 * Drains effects. The same function serves the inline drain right after a commit and the relay that comes behind a dead process:
 * act once on all rows given, then delete exactly those. No transaction is open while it talks to Redis.
 */

import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { beyondAbort } from '../telemetry/work.ts';
import { Announced } from './announced.ts';
import { Batcher } from './batcher.ts';
import type { Database } from './database.ts';
import { type Covered, claimAbandoned, type EffectRow, keepEffects, releaseEffects, rowsOfTargets } from './effects.ts';
import { Gatherer } from './gatherer.ts';
import { HandOver } from './hand-over.ts';

/** Applies all rows of one kind; throws when they must stay in the outbox. */
export type EffectHandler = (rows: readonly EffectRow[]) => Promise<void>;

export type EffectOptions = {
  /** The effects of one target happen in the order of their account's versions, whoever drains them. */
  readonly ordered?: boolean;
  /** Of rows that have been applied, those that their target may still forget. They stay and are applied again a little later. */
  readonly unsafe?: (rows: readonly EffectRow[]) => Promise<readonly EffectRow[]>;
  /** Nobody waits for them: what comes within this time is applied together. Much shorter than a lease. */
  readonly gatherMs?: number;
  /** Of which rows that is true; all unless told. */
  readonly gathers?: (row: EffectRow) => boolean;
  /** Each row is applied by itself, and nobody waits for it: it goes to somebody outside, who may be slow or away. */
  readonly alone?: boolean;
  /** How long a row whose try failed waits for the next; a second unless told. */
  readonly retryMs?: (row: EffectRow) => number;
};

type Handler = EffectOptions & { readonly apply: EffectHandler; readonly gatherer: Gatherer<EffectRow> | null };

const RETRY_DELAY_MS = 1000;
/** How long a row belongs to the relay that claimed it; a job not acknowledged by then is offered to the queue again. */
const REDELIVER_MS = 20_000;
const RELAY_BATCH = 500;
/** When to look again at rows that their target may still forget. */
const UNSAFE_DELAY_MS = 2500;

export class Outbox {
  readonly #db: Database;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #handlers = new Map<EffectRow['kind'], Handler>();
  /** What ends together is settled together; under load that is one statement for many jobs. */
  readonly #settled: Batcher<Covered>;
  /** Where the scheduler of a replay says what follows the last of these. */
  readonly handOver: HandOver;
  /** Where its jobs wait that reached their queue early. */
  readonly announced: Announced;
  readonly #background = new Set<Promise<void>>();

  constructor(db: Database, logger: Logger, metrics: Metrics) {
    this.#db = db;
    this.#logger = logger;
    this.#metrics = metrics;
    this.handOver = new HandOver(db);
    this.announced = new Announced(db);
    this.#settled = new Batcher((covered) => this.handOver.settle(covered));
  }

  register(kind: EffectRow['kind'], apply: EffectHandler, options: EffectOptions = {}): void {
    const { gatherMs } = options;
    const gatherer =
      gatherMs === undefined
        ? null
        : new Gatherer(gatherMs, (rows: readonly EffectRow[]) => this.#drainKind(kind, rows));
    this.#handlers.set(kind, { apply, gatherer, ...options });
  }

  /**
   * Applies rows this process holds the lease of. Never throws: the change they belong to is committed, and what fails here is
   * left to the relay.
   */
  async drain(rows: readonly EffectRow[]): Promise<void> {
    const due: EffectRow[] = [];
    for (const row of rows) {
      const { gatherer = null, gathers } = this.#handlers.get(row.kind) ?? {};
      if (gatherer !== null && gathers?.(row) !== false) gatherer.add([row]);
      else due.push(row);
    }
    await this.#drainNow(due);
  }

  /** The consumer's acknowledgement: a job finished, the promises it covered are done. */
  acknowledge(covered: Covered): Promise<void> {
    return this.#settled.add([covered]);
  }

  /** Applies what was gathered so far, and waits for it. */
  async flush(): Promise<void> {
    await Promise.all([...this.#handlers.values()].map(({ gatherer }) => gatherer?.flush()));
  }

  /** The same, and waits for what goes on by itself. */
  async close(): Promise<void> {
    await this.flush();
    await Promise.all(this.#background);
  }

  /** One round of the relay: takes over what nobody drains. Returns how many rows it found. */
  async relay(): Promise<number> {
    const rows = await claimAbandoned(this.#db, RELAY_BATCH, REDELIVER_MS);
    for (const { kind } of rows) this.#metrics.relayTakeovers.inc({ kind });
    await this.#drainNow(rows);
    return rows.length;
  }

  async #drainNow(rows: readonly EffectRow[]): Promise<void> {
    if (rows.length === 0) return;
    const kinds = [...new Set(rows.map((row) => row.kind))];
    const ofKind = (kind: EffectRow['kind']) => rows.filter((row) => row.kind === kind);
    const [slow, quick] = [true, false].map((alone) => kinds.filter((kind) => this.#isAlone(kind) === alone));
    for (const kind of slow ?? [])
      for (const row of ofKind(kind)) this.#inBackground(beyondAbort(() => this.#drainKind(kind, [row])));
    await beyondAbort(() => Promise.all((quick ?? []).map((kind) => this.#drainKind(kind, ofKind(kind)))));
  }

  #isAlone(kind: EffectRow['kind']): boolean {
    return this.#handlers.get(kind)?.alone === true;
  }

  #inBackground(work: Promise<void>): void {
    this.#background.add(work);
    void work.finally(() => this.#background.delete(work));
  }

  async #settle(applied: readonly EffectRow[], unsafe: readonly EffectRow[]): Promise<void> {
    const kept = new Set(unsafe.map((row) => row.id));
    await keepEffects(this.#db, [...kept], UNSAFE_DELAY_MS);
    const done = applied.filter((row) => !kept.has(row.id)).map(({ id, target }) => ({ target, ids: [id] }));
    if (done.length > 0) await this.#settled.add(done);
  }

  async #drainKind(kind: EffectRow['kind'], rows: readonly EffectRow[]): Promise<void> {
    const handler = this.#handlers.get(kind);
    if (handler === undefined) return;
    let ids = rows.map((row) => row.id);
    try {
      // An earlier row of the target that is still there goes first, whoever holds it: applied twice it changes nothing.
      const due = handler.ordered
        ? await rowsOfTargets(this.#db, kind, [...new Set(rows.map((row) => row.target))])
        : rows;
      ids = due.map((row) => row.id);
      await handler.apply(due);
      const unsafe = (await handler.unsafe?.(due)) ?? [];
      // A job's effect ends with the job, not with its arrival in the queue: its consumer deletes the row.
      if (kind !== 'enqueue') await this.#settle(due, unsafe);
      for (const row of handler.unsafe === undefined ? rows : unsafe)
        this.#metrics.effectLatency.observe({ kind }, Math.max(0, Date.now() - row.createdAt.getTime()) / 1000);
    } catch (error) {
      this.#metrics.effectFailures.inc({ kind }, rows.length);
      this.#logger.warn({ kind, rows: rows.length, error: messageOf(error) }, 'effects stay in the outbox');
      // Without Postgres the lease simply runs out.
      const first = rows[0];
      const delayMs = (first && handler.retryMs?.(first)) ?? RETRY_DELAY_MS;
      await releaseEffects(this.#db, ids, messageOf(error), delayMs).catch(() =>
        this.#metrics.swallowed.inc({ reason: 'effect_release' }),
      );
    }
  }
}
