/** The faults: each is done to a replay that runs, at moments that its dice choose. */

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { statements } from './postgres-protocol.ts';
import type { ServerName } from './servers.ts';
import type { Stage } from './stage.ts';

/** A number in [0, 1) for a purpose: the same seed throws the same. */
export type Dice = (purpose: string) => number;
export type Fault = { readonly name: string; inject(stage: Stage, dice: Dice): Promise<void> };

const SILENT_MS = 8000;
/** Twice the lock of a job. */
const FROZEN_MS = 12_000;
const FORGOTTEN_MS = 1000;
const FORGET_PATIENCE_MS = 6000;
/** Long enough for the server to have done what it was told, whatever else the machine does. */
const HELD_MS = 1500;

export const FAULTS: readonly Fault[] = [
  {
    name: 'queue-killed',
    inject: (stage, dice) => twice(stage, dice, () => stage.servers.kill('queue', 500 + 3000 * dice('down'))),
  },
  {
    name: 'cache-killed',
    inject: (stage, dice) => twice(stage, dice, () => stage.servers.kill('cache', 500 + 3000 * dice('down'))),
  },
  { name: 'cache-flushed', inject: flushCache },
  {
    name: 'postgres-restarted',
    inject: (stage, dice) => twice(stage, dice, () => stage.servers.restart('postgres', 2000 * dice('down'))),
  },
  {
    name: 'postgres-killed',
    inject: (stage, dice) => twice(stage, dice, () => stage.servers.kill('postgres', 2000 * dice('down'))),
  },
  { name: 'postgres-silent', inject: (stage, dice) => twice(stage, dice, () => silence(stage, 'postgres')) },
  { name: 'queue-silent', inject: (stage, dice) => twice(stage, dice, () => silence(stage, 'queue')) },
  { name: 'cache-silent', inject: (stage, dice) => twice(stage, dice, () => silence(stage, 'cache')) },
  { name: 'worker-frozen', inject: (stage, dice) => twice(stage, dice, () => freeze(stage, dice)) },
  { name: 'answers-lost', inject: loseAnswers },
  {
    name: 'queue-forgets',
    inject: (stage, dice) => twice(stage, dice, () => forget(stage)),
  },
];

/** Once in the first half of the replay and once in the second. */
async function twice(stage: Stage, dice: Dice, act: () => Promise<void>): Promise<void> {
  for (const half of [0, 1]) {
    await stage.reached(0.1 + 0.4 * half + 0.3 * dice(`moment ${half}`));
    await sleep(300 * dice(`pause ${half}`));
    await act();
  }
}

async function flushCache(stage: Stage, dice: Dice): Promise<void> {
  const redis = new Redis(stage.servers.url('cache'));
  try {
    for (let time = 1; time < 9; time++) {
      await stage.reached(time / 10);
      await sleep(200 * dice(`pause ${time}`));
      await redis.flushall();
    }
  } finally {
    redis.disconnect();
  }
}

async function silence(stage: Stage, server: ServerName): Promise<void> {
  const proxy = stage.servers.proxies[server];
  proxy.silence();
  await sleep(SILENT_MS);
  proxy.reset();
}

async function freeze(stage: Stage, dice: Dice): Promise<void> {
  const victim = stage.workers[Math.floor(dice('victim') * stage.workers.length)];
  victim?.process.kill('SIGSTOP');
  await sleep(FROZEN_MS);
  victim?.process.kill('SIGCONT');
}

/** Loses a second in which a trade was published; without one, whatever else the queue had in it. */
async function forget(stage: Stage): Promise<void> {
  const redis = new Redis(stage.servers.url('queue'));
  redis.on('error', () => {});
  const patience = Date.now() + FORGET_PATIENCE_MS;
  try {
    const entries = () => redis.xlen(`nof0.${stage.run}:trades:stream`);
    let before = await entries();
    await stage.servers.forgetLast(FORGOTTEN_MS, async () => {
      const grown = (await entries()) > before;
      before = await entries();
      return grown || Date.now() > patience;
    });
  } finally {
    redis.disconnect();
  }
}

/**
 * Again and again a statement reaches Postgres and its answer does not come back: the caller sees a broken connection, the work is done.
 */
async function loseAnswers(stage: Stage, dice: Dice): Promise<void> {
  const proxy = stage.servers.proxies.postgres;
  let armed: { pattern: RegExp; passes: number; hit: () => void } | null = null;
  // Connections are listened to from their first byte on, so the replay's own must be made anew.
  proxy.listen = () =>
    statements((sql) => {
      if (armed === null || !armed.pattern.test(sql) || armed.passes-- > 0) return false;
      armed.hit();
      armed = null;
      return true;
    });
  proxy.reset();
  try {
    await loseEach();
  } finally {
    // A fault that fails must not go on in the next one.
    proxy.listen = null;
    proxy.cutHeld();
  }

  async function loseEach(): Promise<void> {
    for (const [turn, pattern] of stage.answers.entries()) {
      await stage.reached(0.1 + (0.8 * turn) / stage.answers.length);
      const passes = Math.floor(4 * dice(`passes ${turn}`));
      const hit = await Promise.race([
        new Promise<true>((resolve) => {
          armed = { pattern, passes, hit: () => resolve(true) };
        }),
        stage.finished().then(() => false as const),
      ]);
      if (!hit) throw new Error(`no statement matched ${pattern} before the end`);
      await sleep(HELD_MS);
      proxy.cutHeld();
    }
  }
}
