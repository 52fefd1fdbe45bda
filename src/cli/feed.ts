/** `nof0 feed`: the process that listens to the market of a run. */

import type { Command } from 'commander';
import { startProbes } from '../http/server.ts';
import { openStories } from '../resources.ts';
import { parseCount } from './flags.ts';
import { note, print } from './output.ts';
import type { ProcessRoles } from './processes.ts';
import { type CommonFlags, withSession } from './session.ts';
import { untilStopped } from './until-stopped.ts';

export function feedCommand(program: Command, roles: ProcessRoles): void {
  program
    .command('feed')
    .description("listen to the market over its WebSocket; of any number one holds the provider's feed")
    .option('--metrics-port <port>', 'port of probes and metrics; any free one by default')
    .action(async (_options, command: Command) => {
      const flags = command.optsWithGlobals<CommonFlags & { metricsPort?: string }>();
      const port = flags.metricsPort === undefined ? null : parseCount('--metrics-port', flags.metricsPort, 0);
      await withSession(flags, {}, async (session) => {
        const resources = await session.resources('feed');
        const { stories } = await openStories(resources);
        const feed = roles.startFeed(resources, stories);
        const { http, metricsPort } = session.config;
        const probes = await startProbes(resources, { host: http.host, port: port ?? metricsPort });
        print(`metrics  ${probes.url}/metrics`);
        note(`listening for run ${session.run}`);
        await untilStopped(new Promise<never>(() => {}));
        await feed.stop();
        await probes.close();
      });
    });
}
