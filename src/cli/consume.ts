/** `nof0 consume`: hands the trades of the stream to somebody outside. */

import type { Command } from 'commander';
import type { Config } from '../config.ts';
import { openGroup, redeliver, startTradeConsumer } from '../consumers/trade-consumer.ts';
import { webhook } from '../consumers/webhook.ts';
import { CodedError } from '../errors.ts';
import { startProbes } from '../http/server.ts';
import type { Resources } from '../resources.ts';
import { parseCount, parseWord } from './flags.ts';
import { note, print, printJson, shorten, table } from './output.ts';
import { type CommonFlags, withSession } from './session.ts';
import { untilStopped } from './until-stopped.ts';

const CONSUMERS = ['webhook'];
const REASON_LENGTH = 80;

/** Eight minutes of tries before a trade is given up; a dead process is noticed after one. */
const PACE = { attempts: 20, backoffMs: 1000, capMs: 30_000, abandonedMs: 60_000 };

type ConsumeFlags = CommonFlags & {
  fromOldest?: boolean;
  failed?: boolean;
  redrive?: boolean;
  json?: boolean;
  metricsPort?: string;
};

export function consumeCommand(program: Command): void {
  program
    .command('consume')
    .description('hand every closed trade to somebody outside, at least once; any number of processes share the work')
    .argument('<consumer>', `one of ${CONSUMERS.join(', ')}`)
    .option('--from-oldest', 'a consumer that is new begins with the oldest trade of the stream, not with the next one')
    .option('--failed', 'list the trades that were given up, and end')
    .option('--redrive', 'hand over the trades that were given up once more, and end')
    .option('--json', 'as JSON, with --failed')
    .option('--metrics-port <port>', 'port of probes and metrics; any free one by default')
    .action(async (name: string, _options, command: Command) => {
      const flags = command.optsWithGlobals<ConsumeFlags>();
      parseWord('<consumer>', name, CONSUMERS);
      const port = flags.metricsPort === undefined ? null : parseCount('--metrics-port', flags.metricsPort, 0);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('consumer');
        if (flags.failed) return listFailed(resources, flags.json === true);
        if (flags.redrive) return redrive(resources);
        const { http, metricsPort } = session.config;
        const consumer = await startWebhook(resources, flags.fromOldest ? 'oldest' : 'next');
        const probes = await startProbes(resources, { host: http.host, port: port ?? metricsPort });
        print(`metrics  ${probes.url}/metrics`);
        note(`posting the trades of run ${session.run}`);
        await untilStopped(new Promise<never>(() => {}));
        await consumer.stop();
        await probes.close();
      });
    });
}

/** Throws NOF0_CONFIG_INVALID when no address is configured. */
export function startWebhook(resources: Resources, from: 'next' | 'oldest' = 'next') {
  return startTradeConsumer(resources, webhook(settingsOf(resources.config)), PACE, from);
}

function settingsOf({ webhook: settings }: Config) {
  if (settings !== null) return settings;
  throw new CodedError('NOF0_CONFIG_INVALID', 'there is no webhook to post to', {
    faults: [{ path: 'environment: NOF0_WEBHOOK_URL', expected: 'the address to post to' }],
  });
}

async function listFailed(resources: Resources, json: boolean): Promise<void> {
  const { group, redis } = await openGroup(resources, 'webhook', PACE.abandonedMs);
  const buried = await group.buried();
  redis.disconnect();
  if (json) printJson(buried);
  else if (buried.length === 0) print('no trade was given up');
  else
    print(
      table(
        ['trade', 'revision', 'event', 'model', 'tries', 'reason'],
        buried.map(({ fields, attempts, reason }) => [
          fields.id ?? '',
          fields.revision ?? '',
          fields.event ?? '',
          fields.model_id ?? '',
          attempts,
          shorten(reason, REASON_LENGTH),
        ]),
      ),
    );
}

async function redrive(resources: Resources): Promise<void> {
  const consumer = webhook(settingsOf(resources.config));
  const { group, redis } = await openGroup(resources, consumer.name, PACE.abandonedMs);
  const { taken, refused } = await redeliver(group, consumer);
  redis.disconnect();
  print(`${taken} taken, ${refused} still refused`);
  if (refused > 0) process.exitCode = 1;
}
