/** Who did what, and when: every control action leaves a row. */

import type { Queryable } from './database.ts';

export type AuditEntry = {
  readonly who: string;
  readonly what: string;
  readonly target: string | null;
  readonly before?: unknown;
  readonly after?: unknown;
};

export async function audit(db: Queryable, entry: AuditEntry): Promise<void> {
  await db.query('INSERT INTO audit_log (who, what, target, before, after) VALUES ($1, $2, $3, $4::jsonb, $5::jsonb)', [
    entry.who,
    entry.what,
    entry.target,
    entry.before === undefined ? null : JSON.stringify(entry.before),
    entry.after === undefined ? null : JSON.stringify(entry.after),
  ]);
}

export function recentAudit(db: Queryable, limit: number): Promise<(AuditEntry & { at: Date })[]> {
  return db.query('SELECT who, what, target, before, after, at FROM audit_log ORDER BY at DESC, id DESC LIMIT $1', [
    limit,
  ]);
}
