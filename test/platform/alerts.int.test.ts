/** Alerts on real servers: told once whoever looks, delivered whatever dies, in their order, and by what the tables say. */

import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { BODIES } from '../../src/consumers/alert-channels.ts';
import type { AlertMessage, AlertName } from '../../src/domain/alerts.ts';
import { judgeAlerts, raiseAlert } from '../../src/engine/alerts.ts';
import type { Stories } from '../../src/engine/context.ts';
import { checkAlerts } from '../../src/maintenance/check-alerts.ts';
import { TASKS } from '../../src/maintenance/tasks.ts';
import { openResources, type Resources } from '../../src/resources.ts';
import { listAlerts } from '../../src/store/alerts.ts';
import { startPresence } from '../../workers/presence.ts';
import { type Receiver, startReceiver } from '../consumers/receiver.ts';
import { type Arena, arenaConfig, openTestArena } from '../engine/arena.ts';
import { age, eventually, outboxRows } from './support.ts';

const SECRET = 'alert-secret-0123456789';
const NOTHING = { alerts: { coolDown: '0s', resolveAfter: '1s' } };

let arena: Arena;
let receiver: Receiver;
const opened: Resources[] = [];

beforeAll(async () => {
  arena = await openTestArena(arenaConfig(NOTHING));
});
afterAll(() => arena?.run.close());
beforeEach(async () => {
  receiver = await startReceiver();
  await arena.db.query('TRUNCATE alerts, effects, processes, decision_cycles, llm_usage, schedules');
  await arena.db.query(
    `UPDATE trader_state SET state = 'running', metadata = '{}', pause_until = NULL, last_decision_at = NULL`,
  );
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((resources) => resources.close()));
  await receiver.close();
});

/** A process of its own that tells the receiver. */
async function process(
  env: Record<string, string> = {},
  file: object = NOTHING,
): Promise<{ resources: Resources; doors: Stories }> {
  const config = arenaConfig(file, { NOF0_ALERT_WEBHOOK_URL: receiver.url, NOF0_ALERT_WEBHOOK_SECRET: SECRET, ...env });
  const { servers, prefix, resources: own } = arena.run;
  const resources = await openResources({ config, servers, prefix, role: 'worker', logger: own.logger });
  opened.push(resources);
  const doors = {
    ...arena.stories,
    config,
    db: resources.db,
    drain: (rows: Parameters<Resources['outbox']['drain']>[0]) => resources.outbox.drain(rows),
  };
  return { resources, doors };
}

const found = (subject = 'a', summary = 'is wrong') => [{ subject, summary }];
const all = (alert: AlertName, findings = found()) => new Map([[alert, findings]]);
const nothing = (alert: AlertName) => new Map([[alert, []]]);
/** Lets an alert not have been seen for a minute. */
const minute = () =>
  arena.db.query('UPDATE alerts SET last_seen_ms = last_seen_ms - 60000, messaged_ms = messaged_ms - 60000');
const posts = () => receiver.received.map(({ body }) => JSON.parse(body) as { type: string; data: AlertMessage });
const types = () => posts().map(({ type }) => type);
const firing = async () =>
  (await listAlerts(arena.db, 0))
    .filter(({ state }) => state === 'firing')
    .map(({ alert, subject }) => `${alert} ${subject}`);

describe('telling', () => {
  it('happens once, signed, however many processes look at the same moment', async () => {
    const processes = await Promise.all([process(), process(), process()]);
    await Promise.all(processes.map(({ doors }) => judgeAlerts(doors, all('slot_lag'))));
    await eventually(() => expect(types()).toEqual(['alert.firing']));
    await eventually(async () => expect(await outboxRows(arena.db)).toEqual([]));
    expect(types()).toHaveLength(1);
    const [one] = receiver.received;
    const { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': signature } = one?.headers ?? {};
    const expected = createHmac('sha256', SECRET).update(`${id}.${seconds}.${one?.body}`).digest('base64');
    expect(signature).toBe(`v1,${expected}`);
    expect(posts()[0]?.data).toMatchObject({
      id,
      alert: 'slot_lag',
      subject: 'a',
      what: 'firing',
      severity: 'critical',
      summary: 'is wrong',
    });
  });

  it('says when it is over, and knows a second time from the first', async () => {
    const { doors, resources } = await process();
    await judgeAlerts(doors, all('cache_down'));
    await minute();
    await judgeAlerts(doors, nothing('cache_down'));
    await judgeAlerts(doors, nothing('cache_down'));
    await judgeAlerts(doors, all('cache_down'));
    await eventually(async () => {
      await resources.outbox.relay();
      expect(types()).toEqual(['alert.firing', 'alert.resolved', 'alert.firing']);
    });
    expect(new Set(receiver.ids()).size).toBe(3);
  });

  it('leaves alone what was not judged, and what was only raised', async () => {
    const { doors } = await process();
    await raiseAlert(doors, 'inconsistency', found('analytics'));
    await minute();
    await raiseAlert(doors, 'inconsistency', found('leaderboard'));
    await judgeAlerts(doors, nothing('slot_lag'));
    expect(await firing()).toEqual(['inconsistency leaderboard', 'inconsistency analytics']);
    await judgeAlerts(doors, nothing('inconsistency'));
    expect(await firing()).toEqual(['inconsistency leaderboard']);
  });

  it('of nobody is still remembered', async () => {
    await judgeAlerts(arena.stories, all('slot_lag'));
    expect(await firing()).toEqual(['slot_lag a']);
    expect(await outboxRows(arena.db)).toEqual([]);
  });
});

describe('delivery', () => {
  it('of a process that died after its commit is done by the relay of another', async () => {
    const [dead, living] = [await process(), await process()];
    await judgeAlerts({ ...dead.doors, drain: () => Promise.resolve() }, all('slot_lag'));
    expect(await outboxRows(arena.db)).toMatchObject([{ kind: 'alert', target: 'webhook:slot_lag:a' }]);
    await age(arena.db);
    await living.resources.outbox.relay();
    await eventually(() => expect(types()).toEqual(['alert.firing']));
    await eventually(async () => expect(await outboxRows(arena.db)).toEqual([]));
  });

  it('of a process that died after the answer is repeated under the same id', async () => {
    const { resources, doors } = await process();
    await judgeAlerts(doors, all('slot_lag'));
    await eventually(async () => expect(await outboxRows(arena.db)).toEqual([]));
    // The note that it was taken is lost.
    const [post] = posts();
    await arena.db.query(`INSERT INTO effects (kind, target, payload) VALUES ('alert', 'webhook:slot_lag:a', $1)`, [
      JSON.stringify({ channel: 'webhook', message: post?.data }),
    ]);
    await age(arena.db);
    await resources.outbox.relay();
    await eventually(() => expect(receiver.received).toHaveLength(2));
    const [first, second] = receiver.ids();
    expect(second).toBe(first);
    expect(receiver.received[1]?.body).toBe(receiver.received[0]?.body);
  });

  it('keeps the order when the first try fails, and is not held up by another alert', async () => {
    await receiver.close();
    receiver = await startReceiver(500);
    const { resources, doors } = await process();
    await judgeAlerts(doors, all('cache_down'));
    await eventually(async () => expect(await outboxRows(arena.db)).toMatchObject([{ lastError: 'answered 500' }]));
    await minute();
    await judgeAlerts(doors, new Map([...nothing('cache_down'), ...all('slot_lag')]));
    await eventually(() =>
      expect(posts().map(({ data }) => `${data.alert} ${data.what}`)).toEqual(['cache_down firing', 'slot_lag firing']),
    );
    await eventually(async () => {
      await resources.outbox.relay();
      expect(await outboxRows(arena.db)).toEqual([]);
    });
    expect(posts().map(({ data }) => `${data.alert} ${data.what}`)).toEqual([
      'cache_down firing',
      'slot_lag firing',
      'cache_down firing',
      'cache_down resolved',
    ]);
  });

  it('does not keep the relay from its other work', async () => {
    await receiver.close();
    receiver = await startReceiver(() => {});
    const { resources, doors } = await process();
    await judgeAlerts({ ...doors, drain: () => Promise.resolve() }, all('slot_lag'));
    await age(arena.db);
    const began = performance.now();
    await resources.outbox.relay();
    expect(performance.now() - began).toBeLessThan(2000);
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await receiver.close();
    receiver = await startReceiver();
  });

  it('is given up where the receiver says that it never takes it, and after a day', async () => {
    await receiver.close();
    receiver = await startReceiver(404, 503);
    const { resources, doors } = await process({
      NOF0_ALERT_SLACK_URL: receiver.url,
      NOF0_ALERT_WEBHOOK_URL: '',
      NOF0_ALERT_WEBHOOK_SECRET: '',
    });
    await judgeAlerts(doors, all('slot_lag'));
    await eventually(() => expect(receiver.received).toHaveLength(1));
    await eventually(async () => expect(await outboxRows(arena.db)).toEqual([]));
    await judgeAlerts({ ...doors, drain: () => Promise.resolve() }, all('cache_down'));
    await arena.db.query(
      `UPDATE effects SET created_at = created_at - interval '2 days', lease_until = now() - interval '1 minute'`,
    );
    await resources.outbox.relay();
    await eventually(() => expect(receiver.received).toHaveLength(2));
    await eventually(async () => expect(await outboxRows(arena.db)).toEqual([]));
    const { values } = await resources.metrics.alertMessages.get();
    expect(values.map(({ labels, value }) => [labels.outcome, value])).toEqual([['dropped', 2]]);
  });
});

describe('bodies', () => {
  const message: AlertMessage = {
    id: 'demo:endpoint_down:m:1.1',
    alert: 'endpoint_down',
    subject: 'm<b>',
    severity: 'warning',
    what: 'firing',
    summary: '<!channel> @everyone [x](http://evil) & more',
    sinceMs: 0,
    atMs: 1000,
    run: 'demo',
  };

  it('for Slack hold no link or mention that the text did not have', () => {
    const text = JSON.stringify(BODIES.slack(message));
    expect(text).not.toContain('<!channel>');
    expect(text).toContain('&lt;!channel&gt;');
    expect(text).toContain(message.id);
  });

  it('for Discord ping nobody and show text as text', () => {
    expect(BODIES.discord(message)).toMatchObject({
      allowed_mentions: { parse: [] },
      embeds: [
        {
          description: '\\<!channel\\> \\@everyone \\[x\\]\\(http://evil\\) & more',
          timestamp: '1970-01-01T00:00:01.000Z',
        },
      ],
    });
  });
});

describe('the check', () => {
  const check = async (file: object = NOTHING) => {
    const { resources, doors } = await process({}, file);
    return checkAlerts(resources, doors);
  };
  const cycle = (modelId: string, number: number, code: string | null) =>
    arena.db.query(
      `INSERT INTO decision_cycles (model_id, slot_ms, cycle_number, step, error_code, error_message, executed_at)
       VALUES ($1, (extract(epoch FROM now()) * 1000)::bigint + $2, $2, 'done', $3, 'because', now())`,
      [modelId, number, code],
    );
  const presence = (name: string, seen: string, disk: number | null = 0.5, started = '1 hour') =>
    arena.db.query(
      `INSERT INTO processes (name, role, host, started_at, seen_at, disk_free) VALUES ($1, split_part($1, '@', 1), split_part(split_part($1, '@', 2), ':', 1), now() - $2::interval, now() - $3::interval, $4)`,
      [name, started, seen, disk],
    );

  it('finds nothing in an arena that is well, and writes nothing', async () => {
    expect(await check()).toEqual({ found: 0, unjudged: [] });
    expect(await listAlerts(arena.db, 60_000)).toEqual([]);
  });

  it('forgets what has been over for a month, and nothing else', async () => {
    await arena.db.query(
      `INSERT INTO alerts (alert, subject, state, episode, summary, since_ms, last_seen_ms, resolved_ms)
       SELECT 'worker_lost', s, 'resolved', 1, 'x', 1, 1, (extract(epoch FROM now()) * 1000)::bigint - days * 86400000::bigint
       FROM (VALUES ('old', 31), ('new', 29)) AS v(s, days)`,
    );
    await check();
    const kept = await arena.db.query<{ subject: string }>('SELECT subject FROM alerts');
    expect(kept).toEqual([{ subject: 'new' }]);
  });

  it('finds a tripped breaker, not a pause by a person, and its end', async () => {
    await arena.db.query(
      `UPDATE trader_state SET state = 'paused', metadata = '{"reason":"by carol"}' WHERE trader_id = 'twin'`,
    );
    await arena.db.query(
      `UPDATE trader_state SET state = 'halted', metadata = '{"reason":"drawdown","heldSinceMs":1}' WHERE trader_id = 'holder'`,
    );
    await check();
    expect(await firing()).toEqual(['breaker_tripped holder']);
    await arena.db.query(`UPDATE trader_state SET state = 'running', metadata = '{}'`);
    await minute();
    await check();
    expect(await firing()).toEqual([]);
  });

  it('finds naked positions of cycles, spent budgets and endpoints that do not answer', async () => {
    await cycle('holder', 1, 'NOF0_STOP_NOT_PLACED');
    await check();
    expect(await firing()).toEqual(['naked_position holder']);
    await cycle('holder', 2, 'NOF0_LLM_BUDGET');
    for (const number of [1, 2, 3]) await cycle('twin', number, 'NOF0_LLM_UNAVAILABLE');
    await minute();
    await check();
    expect((await firing()).sort()).toEqual(['budget_spent holder', 'endpoint_down twin']);
    await cycle('holder', 3, null);
    await cycle('twin', 4, null);
    await minute();
    await check();
    expect(await firing()).toEqual([]);
  });

  it('finds a budget that is used up', async () => {
    const models = [{ id: 'holder', strategy: 'buy-and-hold', dailyTokens: 100 }];
    await arena.db.query(
      `INSERT INTO llm_usage (model_id, day, used_tokens) VALUES ('holder', (now() AT TIME ZONE 'UTC')::date, 100)`,
    );
    const file = { ...NOTHING, models };
    const { resources, doors } = await process({}, file);
    const traders = new Map(
      [...doors.traders].map(([id, trader]) => [
        id,
        { ...trader, participant: { ...trader.participant, dailyTokens: 100 } },
      ]),
    );
    await checkAlerts(resources, { ...doors, traders });
    expect(await firing()).toEqual(['budget_spent holder']);
  });

  it('finds processes that are missed, until another takes their place', async () => {
    await presence('worker@a:1', '2 minutes');
    await presence('feed@a:2', '1 second');
    await check();
    expect(await firing()).toEqual(['worker_lost worker@a:1']);
    await presence('worker@b:3', '1 second', 0.5, '30 seconds');
    await minute();
    await check();
    expect(await firing()).toEqual([]);
  });

  it('finds slots that nobody enqueues, and models that decide nothing though there is a scheduler', async () => {
    await arena.db.query(
      `INSERT INTO schedules (name, job, spec, last_slot_ms) VALUES ('snapshot:holder', 'snapshot', '{"everyMs":30000}', (extract(epoch FROM now()) * 1000)::bigint - 600000)`,
    );
    await arena.db.query(
      `UPDATE trader_state SET last_decision_at = now() - interval '50 minutes' WHERE trader_id = 'holder'`,
    );
    await arena.db.query(`UPDATE trader_state SET last_decision_at = now() WHERE trader_id = 'twin'`);
    await check();
    expect(await firing()).toEqual(['slot_lag schedules']);
    await presence('scheduler@a:2', '1 second');
    await check();
    expect((await firing()).sort()).toEqual(['no_decision holder', 'slot_lag schedules']);
  });

  it('finds a disk that is nearly full', async () => {
    await presence('worker@small:1', '1 second', 0.05);
    await presence('worker@large:2', '1 second', 0.6);
    await check();
    expect(await firing()).toEqual(['disk_nearly_full small']);
  });

  it('finds a cache that does not answer', async () => {
    const { resources, doors } = await process();
    resources.cacheRedis.disconnect();
    await checkAlerts(resources, doors);
    expect(await firing()).toEqual(['cache_down cache']);
  });

  it('judges the others when it cannot judge one', async () => {
    await presence('worker@small:1', '1 second', 0.05);
    await arena.db.query('ALTER TABLE llm_usage RENAME TO llm_usage_away');
    try {
      expect(await check()).toEqual({ found: 1, unjudged: ['budget_spent'] });
      expect(await firing()).toEqual(['disk_nearly_full small']);
    } finally {
      await arena.db.query('ALTER TABLE llm_usage_away RENAME TO llm_usage');
    }
  });
});

describe('the check of the keys', () => {
  const none = new AbortController().signal;
  const check = async () => {
    const { resources, doors } = await process();
    return TASKS['check-consistency'](resources, none, doors, Date.now());
  };
  const key = (id: string) => arena.run.resources.keys.key('traderState', [id]);

  it('raises a key that is wrong, and not one whose refresh is promised', async () => {
    const { publisher, cacheRedis } = arena.run.resources;
    await publisher.refresh(['holder', 'twin'].map((id) => ({ family: 'traderState' as const, ids: [id] })));
    for (const id of ['holder', 'twin']) await cacheRedis.set(key(id), '{"state":"wrong"}', 'PX', 60_000);
    await arena.db.query(
      `INSERT INTO effects (kind, target, lease_until) VALUES ('project', 'traderState|twin', now() + interval '1 hour')`,
    );
    expect(await check()).toMatchObject({ note: { repaired: 1 } });
    expect(await firing()).toEqual(['inconsistency traderState']);
    const [alert] = await listAlerts(arena.db, 0);
    expect(alert?.summary).toContain('holder');
    expect(alert?.summary).not.toContain('twin');
    expect(await cacheRedis.get(key('holder'))).not.toContain('wrong');
    expect(await cacheRedis.get(key('twin'))).toContain('wrong');
  }, 20_000);
});

describe('presence', () => {
  const names = async () =>
    (await arena.db.query<{ name: string; disk: number }>('SELECT name, disk_free AS disk FROM processes')).map(
      ({ name }) => name,
    );

  it('is noted while a process lives and taken back when it ends as told', async () => {
    const { resources } = await process();
    const presence = startPresence(resources);
    await eventually(async () => expect(await names()).toEqual([resources.worker]));
    await presence.stop();
    expect(await names()).toEqual([]);
  });

  it('asks for the check when no scheduler does', async () => {
    await arena.db.query(
      `INSERT INTO schedules (name, job, spec, last_slot_ms) VALUES ('maintenance:check-alerts', 'maintenance', '{"cron":"* * * * *"}', (extract(epoch FROM now()) * 1000)::bigint - 600000)`,
    );
    const { resources } = await process();
    const presence = startPresence(resources);
    await eventually(async () =>
      expect((await outboxRows(arena.db)).map(({ target }) => target)).toEqual(['maintenance_check-alerts']),
    );
    await presence.stop();
  });
});
