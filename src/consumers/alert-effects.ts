/** What becomes of the effects that are messages: they are sent, in their order, until somebody has taken them. */

import { z } from 'zod';
import { ALERT_NAMES, type AlertMessage } from '../domain/alerts.ts';
import { hasOlderMessage } from '../store/alerts.ts';
import type { Database } from '../store/database.ts';
import type { EffectRow } from '../store/effects.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type AlertChannels, CHANNELS, sendAlert } from './alert-channels.ts';

export type AlertDoors = {
  readonly db: Database;
  readonly channels: AlertChannels;
  readonly logger: Logger;
  readonly metrics: Metrics;
};

/** A message that nobody takes for so long is given up: it would say what was wrong yesterday. */
const GIVE_UP_MS = 24 * 3_600_000;
const MAX_RETRY_MS = 300_000;

const payload = z.object({
  channel: z.enum(CHANNELS),
  message: z.object({
    id: z.string(),
    alert: z.enum(ALERT_NAMES),
    subject: z.string(),
    severity: z.enum(['critical', 'warning']),
    what: z.enum(['firing', 'reminder', 'resolved', 'test']),
    summary: z.string(),
    sinceMs: z.number(),
    atMs: z.number(),
    run: z.string(),
  }) satisfies z.ZodType<AlertMessage>,
});

/** Sends one message. Throws when it has to be tried again. */
export async function deliverAlert(doors: AlertDoors, row: EffectRow): Promise<void> {
  const { db, channels, logger, metrics } = doors;
  const parsed = payload.safeParse(row.payload);
  if (!parsed.success) {
    // Written by another version: nobody here will ever understand it.
    metrics.alertMessages.inc({ channel: 'unknown', outcome: 'dropped' });
    logger.error({ target: row.target }, 'an alert could not be understood');
    return;
  }
  const { channel, message } = parsed.data;
  if (await hasOlderMessage(db, row.target, row.id)) throw new Error('an older message of this alert goes first');
  const delivery = await sendAlert(channels, channel, message);
  const count = (outcome: string) => metrics.alertMessages.inc({ channel, outcome });
  if (delivery.kind === 'delivered') return count('delivered');
  if (!delivery.permanent && Date.now() - row.createdAt.getTime() < GIVE_UP_MS) {
    count('failed');
    throw new Error(delivery.reason);
  }
  count('dropped');
  logger.error(
    { channel, alert: message.alert, subject: message.subject, reason: delivery.reason },
    'an alert could not be delivered',
  );
}

/** Longer and longer, five minutes at most. */
export function alertRetryMs({ attempts }: Pick<EffectRow, 'attempts'>): number {
  return Math.min(MAX_RETRY_MS, 1000 * 2 ** Math.min(attempts, 20));
}
