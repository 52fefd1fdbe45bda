/** What the scripts of tests have in common: they join a run of the parent's. */

import { writeSync } from 'node:fs';
import { loadConfig } from '../../../src/config.ts';
import { openResources, type Resources } from '../../../src/resources.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';
import { REPO } from '../../paths.ts';
import { type Nof0, script } from '../../processes.ts';

/** What a parent tells its child. */
export type Errand = {
  readonly servers: { readonly databaseUrl: string; readonly queueRedisUrl: string; readonly cacheRedisUrl: string };
  readonly prefix: string;
  readonly options?: Readonly<Record<string, string | number>>;
};

const VARIABLE = 'ERRAND';

/** Starts a script of this folder. */
export function startChild(name: string, errand: Errand): Nof0 {
  return script(`test/faults/children/${name}.ts`, { [VARIABLE]: JSON.stringify(errand) });
}

export function readErrand(): Errand {
  return JSON.parse(process.env[VARIABLE] ?? '{}') as Errand;
}

export async function openRun(errand: Errand): Promise<Resources> {
  const config = loadConfig({ env: { NOF0_LOG_LEVEL: 'fatal', NOF0_LOG_FORMAT: 'json' }, cwd: REPO });
  const { servers, prefix } = errand;
  return openResources({ config, servers, prefix, role: 'child', logger: createLogger(config.log) });
}

/** Says a line to the parent; it is out before the next statement, even if that one is the last. */
export function tell(line: string): void {
  writeSync(1, `${line}\n`);
}
