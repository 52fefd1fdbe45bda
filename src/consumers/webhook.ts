/**
 * Posts trades to an address, signed as the Standard Webhooks specification says (https://www.standardwebhooks.com), so that receivers
 * find a library that verifies it. A trade is posted at least once; `webhook-id` is the same whenever it is.
 */

import { createHmac } from 'node:crypto';
import { postJson } from './post-json.ts';
import type { Delivery, TradeConsumer } from './trade-consumer.ts';

export type WebhookSettings = { readonly url: string; readonly secret: string; readonly timeoutMs: number };

const PREFIXED = /^whsec_/;

/** Fields of the stream that are numbers. */
const NUMBERS = new Set(['revision', 'quantity', 'entry_price', 'exit_price', 'pnl', 'ts_ms']);

type Fields = Readonly<Record<string, string>>;

/** Identity of what is posted: the trade and its revision. Other than letters, digits and a few signs it is percent-encoded. */
export function webhookId(fields: Fields): string {
  return `${encodeURIComponent(fields.id ?? '')}:${fields.revision ?? '0'}`;
}

/** What is posted: the same bytes at every try. */
export function webhookBody({ event, ...fields }: Fields): string {
  const data = Object.entries(fields).map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value]);
  return JSON.stringify({ type: event, data: Object.fromEntries(data) });
}

/** `v1,<base64>`: HMAC-SHA256 of `id.seconds.body`. A secret that begins with `whsec_` is base64, any other is taken as it is. */
export function webhookSignature(secret: string, id: string, seconds: number, body: string): string {
  const key = PREFIXED.test(secret) ? Buffer.from(secret.replace(PREFIXED, ''), 'base64') : Buffer.from(secret, 'utf8');
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

/** Headers of a signed post that is sent now. */
export function webhookHeaders(secret: string, id: string, body: string): Record<string, string> {
  const seconds = Math.floor(Date.now() / 1000);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    'webhook-signature': webhookSignature(secret, id, seconds, body),
  };
}

export function webhook(settings: WebhookSettings): TradeConsumer {
  return { name: 'webhook', deliver: (fields) => post(settings, fields) };
}

function post({ url, secret, timeoutMs }: WebhookSettings, fields: Fields): Promise<Delivery> {
  const [id, body] = [webhookId(fields), webhookBody(fields)];
  return postJson({ url, timeoutMs, body, headers: webhookHeaders(secret, id, body) });
}
