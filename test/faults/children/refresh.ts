/**
 * Refreshes the positions of a model and stops itself (SIGSTOP) between its load and its write. With the option `fence: off` it writes as
 * a publisher without a token would.
 */

import { observeBoundaries } from '../../../src/telemetry/boundaries.ts';
import { openRun, readErrand, tell } from './open.ts';

const errand = readErrand();
const resources = await openRun(errand);
const { cacheRedis, publisher } = resources;

if (errand.options?.fence === 'off') {
  // What the script does, without its first half.
  cacheRedis.fencedReplace = async (
    key,
    _sidecar,
    _token,
    _drawnMs,
    _maxAgeMs,
    ttlMs,
    _sidecarTtlMs,
    _type,
    ...members
  ) => {
    const writes = cacheRedis.multi().del(key);
    if (members.length > 0) writes.hset(key, ...members).pexpire(key, Number(ttlMs));
    await writes.exec();
    return 1;
  };
}

observeBoundaries(({ what, side }) => {
  if (what !== 'write positions' || side !== 'before') return;
  tell('holds');
  process.kill(process.pid, 'SIGSTOP');
});
tell(JSON.stringify(await publisher.refresh([{ family: 'positions', ids: [String(errand.options?.model)] }])));
await resources.close();
process.exit(0);
