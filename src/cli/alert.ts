/** `nof0 alert`: what is wrong, and whether people would be told. */

import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { loadConfig } from '../config.ts';
import { CHANNELS, sendAlert } from '../consumers/alert-channels.ts';
import type { AlertMessage } from '../domain/alerts.ts';
import { CodedError } from '../errors.ts';
import { listAlerts } from '../store/alerts.ts';
import { parseWord } from './flags.ts';
import { listCommand } from './list-command.ts';
import { moment, print, printJson, shorten } from './output.ts';
import type { CommonFlags } from './session.ts';

const SUMMARY_LENGTH = 80;
/** Alerts that have ended are shown so long. */
const RECENT_MS = 24 * 3_600_000;

export function alertCommand(program: Command): void {
  const alert = program.command('alert').description('what is wrong, and whether people would be told');
  listCommand(alert, {
    description: 'alerts that fire, and those that have ended within a day',
    read: ({ db }) => listAlerts(db, RECENT_MS),
    head: ['alert', 'of', 'state', 'since (UTC)', 'what'],
    cells: (one) => [
      ...[one.alert, one.subject, one.state, moment(new Date(one.sinceMs))],
      shorten(one.summary, SUMMARY_LENGTH),
    ],
    empty: 'nothing is wrong',
  });
  alert
    .command('test')
    .description('send a test message through every configured channel, or through one')
    .option('--channel <name>', CHANNELS.join(', '))
    .option('--json', 'as JSON')
    .action(async (_options, command: Command) =>
      sendTest(command.optsWithGlobals<CommonFlags & { channel?: string; json?: boolean }>()),
    );
}

type TestFlags = CommonFlags & { readonly channel?: string; readonly json?: boolean };

/** Needs no server: what is tried are the channels. Exits 1 when one of them does not take the message. */
async function sendTest(flags: TestFlags): Promise<void> {
  const { alerts, run } = loadConfig(flags.arena ? { arenaFile: flags.arena } : {});
  const chosen = flags.channel === undefined ? null : parseWord('--channel', flags.channel, CHANNELS);
  const channels = CHANNELS.filter((name) => (chosen === null ? alerts[name] !== null : name === chosen));
  if (channels.length === 0) throw noChannel();
  const message = testMessage(flags.run ?? run ?? 'test');
  const results = await Promise.all(
    channels.map(async (name) => ({ channel: name, delivery: await sendAlert(alerts, name, message) })),
  );
  if (flags.json)
    printJson({ id: message.id, results: results.map(({ channel, delivery }) => ({ channel, ...delivery })) });
  else
    for (const { channel, delivery } of results)
      print(`${channel}: ${delivery.kind === 'delivered' ? 'taken' : `not taken: ${delivery.reason}`}`);
  if (results.some(({ delivery }) => delivery.kind !== 'delivered')) process.exitCode = 1;
}

function testMessage(run: string): AlertMessage {
  const nowMs = Date.now();
  const summary = 'A test. If you can read this, alerts reach you.';
  const id = `${run}:test:${randomUUID()}`;
  return {
    id,
    alert: 'slot_lag',
    subject: 'test',
    severity: 'warning',
    what: 'test',
    summary,
    sinceMs: nowMs,
    atMs: nowMs,
    run,
  };
}

function noChannel(): CodedError {
  const names = 'NOF0_ALERT_WEBHOOK_URL with its secret, NOF0_ALERT_SLACK_URL or NOF0_ALERT_DISCORD_URL';
  return new CodedError('NOF0_CONFIG_INVALID', `nobody would be told: set ${names}`, {
    faults: [{ path: 'environment', expected: names }],
  });
}
