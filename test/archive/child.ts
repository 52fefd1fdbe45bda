/** Archives what is due, and dies (SIGKILL) at the place that it was told; without one it tells the places that it passes. */

import { writeSync } from 'node:fs';
import { archiveDue } from '../../src/archive/archive.ts';
import { Database } from '../../src/store/database.ts';
import { observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { NOW, retentionOf } from './days.ts';

const { url = '', dir = '', place = '' } = process.env;
const db = new Database(url, { max: 2, applicationName: 'nof0 archive', onError: () => {} });
let passed = 0;
observeBoundaries(({ what, side }) => {
  // Out before the next statement.
  writeSync(1, `${side} ${what}\n`);
  if (place !== '' && passed === Number(place)) process.kill(process.pid, 'SIGKILL');
  passed += 1;
});
const needs = {
  db,
  dir,
  logger: createLogger({ level: 'fatal', format: 'json', secrets: [] }),
  metrics: createMetrics(false),
};
await archiveDue({ ...needs, retention: retentionOf(91) }, NOW, new AbortController().signal);
await db.close();
