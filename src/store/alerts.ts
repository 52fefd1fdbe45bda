/** Alerts, one row a subject. A step and the messages it makes are one commit. */

import type { AlertMessage, AlertName, AlertState } from '../domain/alerts.ts';
import type { Database, Queryable } from './database.ts';
import { type EffectRow, insertListed } from './effects.ts';
import { toJsonb } from './jsonb.ts';

const COLUMNS = `alert, subject, state, episode, summary, since_ms AS "sinceMs", last_seen_ms AS "lastSeenMs", resolved_ms AS "resolvedMs", messages, messaged_ms AS "messagedMs"`;

/** Longer than a receiver may take to answer: the relay takes over a message only when its process is gone. */
const MESSAGE_LEASE_MS = 20_000;

export type AlertChange = {
  readonly states: readonly AlertState[];
  readonly messages: readonly { readonly channel: string; readonly message: AlertMessage }[];
};

/**
 * Changes alerts under a lock, so that processes that judge at the same time tell people once. `decide` gets what is remembered of these
 * alerts, the database's time and the name of the run. Returns the effects, which have to be drained. Nothing is written when nothing is wrong.
 */
export async function changeAlerts(
  db: Database,
  alerts: readonly AlertName[],
  decide: (remembered: readonly AlertState[], nowMs: number, run: string) => AlertChange,
): Promise<EffectRow[]> {
  return db.transaction(async (tx) => {
    await tx.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', ['alerts']);
    const remembered = await tx.query<AlertState>(`SELECT ${COLUMNS} FROM alerts WHERE alert = ANY($1::text[])`, [
      alerts,
    ]);
    const [moment] = await tx.query<{ nowMs: number; run: string | null }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS "nowMs", (SELECT name FROM runs) AS run',
    );
    const { states, messages } = decide(remembered, moment?.nowMs ?? 0, moment?.run ?? '');
    if (states.length > 0) await saveStates(tx, states);
    if (messages.length === 0) return [];
    const effects = messages.map(({ channel, message }) => ({
      kind: 'alert',
      target: targetOf(channel, message),
      payload: { channel, message },
    }));
    return tx.query<EffectRow>(insertListed('$1', '$2'), [toJsonb(effects), MESSAGE_LEASE_MS]);
  });
}

/** Messages of one alert leave a channel in their order. */
function targetOf(channel: string, { alert, subject }: AlertMessage): string {
  return `${channel}:${alert}:${encodeURIComponent(subject)}`;
}

async function saveStates(tx: Queryable, states: readonly AlertState[]): Promise<void> {
  await tx.query(
    `INSERT INTO alerts (alert, subject, state, episode, summary, since_ms, last_seen_ms, resolved_ms, messages, messaged_ms)
     SELECT alert, subject, state, episode, summary, "sinceMs", "lastSeenMs", "resolvedMs", messages, "messagedMs"
     FROM jsonb_to_recordset($1::jsonb) AS s(alert text, subject text, state text, episode int, summary text, "sinceMs" bigint, "lastSeenMs" bigint,
       "resolvedMs" bigint, messages int, "messagedMs" bigint)
     ON CONFLICT (alert, subject) DO UPDATE SET state = excluded.state, episode = excluded.episode, summary = excluded.summary, since_ms = excluded.since_ms,
       last_seen_ms = excluded.last_seen_ms, resolved_ms = excluded.resolved_ms, messages = excluded.messages, messaged_ms = excluded.messaged_ms`,
    [toJsonb(states)],
  );
}

/** What fires, and what has ended within `recentMs`; the newest first. */
export function listAlerts(db: Queryable, recentMs: number): Promise<AlertState[]> {
  return db.query<AlertState>(
    `SELECT ${COLUMNS} FROM alerts
     WHERE state = 'firing' OR resolved_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint
     ORDER BY state, since_ms DESC, alert, subject`,
    [recentMs],
  );
}

/** Drops alerts that have been over for so long. */
export async function forgetAlerts(db: Queryable, afterMs: number): Promise<void> {
  await db.query(
    `DELETE FROM alerts WHERE state = 'resolved' AND resolved_ms < (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $1::bigint`,
    [afterMs],
  );
}

/** How many subjects fire, by alert. */
export function firingAlerts(db: Queryable): Promise<{ alert: AlertName; count: number }[]> {
  return db.query(`SELECT alert, count(*) AS count FROM alerts WHERE state = 'firing' GROUP BY alert`);
}

/** Whether an older message of the same target is still to be sent. */
export async function hasOlderMessage(db: Queryable, target: string, id: number): Promise<boolean> {
  const rows = await db.query(`SELECT 1 FROM effects WHERE kind = 'alert' AND target = $1 AND id < $2 LIMIT 1`, [
    target,
    id,
  ]);
  return rows.length > 0;
}
