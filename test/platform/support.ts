/** What the tests of the platform share. */

import { vi } from 'vitest';
import type { Resources } from '../../src/resources.ts';
import type { Database } from '../../src/store/database.ts';
import { addEffects, type EffectRow, type NewEffect } from '../../src/store/effects.ts';

/** Polls until the assertion holds; fails with its last error when the deadline has passed. */
export function eventually<T>(assertion: () => T | Promise<T>, timeoutMs = 10_000): Promise<T> {
  return vi.waitFor(assertion, { timeout: timeoutMs, interval: 10 });
}

export type Deferred = { readonly promise: Promise<void>; readonly resolve: () => void };

export function deferred(): Deferred {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Commits effects as a story does: in a transaction, leased to the caller. */
export function commit(db: Database, effects: readonly NewEffect[]): Promise<EffectRow[]> {
  return db.transaction((tx) => addEffects(tx, effects));
}

/** Lets a minute pass for the outbox: leases run out, rows grow old. What a dead process leaves behind looks like this. */
export async function age(db: Database): Promise<void> {
  await db.query(
    `UPDATE effects SET created_at = created_at - interval '1 minute', lease_until = lease_until - interval '1 minute'`,
  );
}

export type StoredEffect = {
  readonly id: number;
  readonly kind: string;
  readonly target: string;
  readonly attempts: number;
  readonly lastError: string | null;
};

/** What is in the outbox, oldest first. */
export function outboxRows(db: Database): Promise<StoredEffect[]> {
  return db.query<StoredEffect>(
    'SELECT id, kind, target, attempts, last_error AS "lastError" FROM effects ORDER BY id',
  );
}

export async function outboxTargets(db: Database): Promise<string[]> {
  return (await outboxRows(db)).map((row) => row.target);
}

/** Forgets all jobs and effects, so that one test does not see another's. */
export async function emptyPlatform({ db, queues }: Resources): Promise<void> {
  await db.query('TRUNCATE effects, job_runs, dead_letters');
  await Promise.all(
    queues.all().map(async (queue) => {
      await queue.obliterate({ force: true });
      await queue.resume();
    }),
  );
}
