/**
 * The channels on which people are told what is wrong. A message is sent at least once: a process that dies between the answer and its
 * note sends it again, with the same id. Bodies are the same at every try.
 */

import { ALERTS, type AlertMessage } from '../domain/alerts.ts';
import { postJson } from './post-json.ts';
import type { Delivery } from './trade-consumer.ts';
import { webhookHeaders } from './webhook.ts';

export const CHANNELS = ['webhook', 'slack', 'discord'] as const;
export type ChannelName = (typeof CHANNELS)[number];

/** Null: not used. The addresses of Slack and Discord are secrets themselves. */
export type AlertChannels = {
  readonly webhook: { readonly url: string; readonly secret: string } | null;
  readonly slack: { readonly url: string } | null;
  readonly discord: { readonly url: string } | null;
};

/** Less than a message's lease in the outbox. */
const TIMEOUT_MS = 10_000;
const COLOURS = { critical: 0xc0392b, warning: 0xd68910, over: 0x1e8449 } as const;
/** A revoked address of a chat answers so, for good. */
const REVOKED = [401, 403, 404];

/** Sends a message once. Never throws. */
export function sendAlert(channels: AlertChannels, name: ChannelName, message: AlertMessage): Promise<Delivery> {
  const body = JSON.stringify(BODIES[name](message));
  if (name === 'webhook') {
    const channel = channels.webhook;
    if (channel === null) return Promise.resolve(NOT_HERE);
    return postJson({
      url: channel.url,
      timeoutMs: TIMEOUT_MS,
      body,
      headers: webhookHeaders(channel.secret, message.id, body),
    });
  }
  const url = channels[name]?.url;
  return url === undefined
    ? Promise.resolve(NOT_HERE)
    : postJson({ url, timeoutMs: TIMEOUT_MS, body, permanent: REVOKED });
}

const NOT_HERE: Delivery = { kind: 'failed', reason: 'this process has no address for the channel', permanent: false };

/** What each channel is sent. */
export const BODIES: Readonly<Record<ChannelName, (message: AlertMessage) => object>> = {
  webhook: ({ id, ...data }) => ({
    type: `alert.${data.what}`,
    timestamp: new Date(data.atMs).toISOString(),
    data: { id, meaning: ALERTS[data.alert].meaning, ...data },
  }),
  slack: (message) => ({
    text: slackText(headline(message)),
    attachments: [
      {
        color: `#${colourOf(message).toString(16).padStart(6, '0')}`,
        text: slackText(message.summary),
        footer: slackText(footerOf(message)),
        ts: Math.floor(message.atMs / 1000),
      },
    ],
  }),
  discord: (message) => ({
    // Nobody is pinged by a text that a model or an endpoint wrote.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: headline(message).slice(0, 256),
        description: discordText(message.summary),
        color: colourOf(message),
        footer: { text: footerOf(message).slice(0, 2048) },
        timestamp: new Date(message.atMs).toISOString(),
      },
    ],
  }),
};

const WORDS = { firing: 'ALERT', reminder: 'STILL', resolved: 'over', test: 'TEST' } as const;

function headline({ what, alert, subject, severity }: AlertMessage): string {
  const grave = what === 'resolved' || what === 'test' ? '' : ` (${severity})`;
  return `${WORDS[what]}${grave} ${alert}${subject === '' ? '' : `: ${subject}`}`;
}

function footerOf({ run, sinceMs, id }: AlertMessage): string {
  return `run ${run}, since ${new Date(sinceMs).toISOString()}, id ${id}`;
}

function colourOf({ what, severity }: AlertMessage): number {
  return what === 'resolved' ? COLOURS.over : COLOURS[severity];
}

/** Signs that Slack would read as a link or a mention. */
function slackText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Signs that Discord would read as markup. */
function discordText(text: string): string {
  return text.replace(/([\\`*_~|>[\]()#<@])/g, '\\$1').slice(0, 4000);
}
