/** What the check of the alerts asks. Its cost does not depend on how long the history is. */

import type { Queryable } from './database.ts';

export type CycleEnd = {
  readonly modelId: string;
  readonly slotMs: number;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
};

/** How the newest cycles of each of these models ended, newest first. */
export function newestEnds(db: Queryable, modelIds: readonly string[], count: number): Promise<CycleEnd[]> {
  return db.query<CycleEnd>(
    `SELECT m.id AS "modelId", c.slot_ms AS "slotMs", c.error_code AS "errorCode", c.error_message AS "errorMessage"
     FROM unnest($1::text[]) AS m(id) CROSS JOIN LATERAL (
       SELECT slot_ms, error_code, error_message FROM decision_cycles WHERE model_id = m.id AND step = 'done' ORDER BY slot_ms DESC LIMIT $2
     ) c ORDER BY m.id, c.slot_ms DESC`,
    [modelIds, count],
  );
}
