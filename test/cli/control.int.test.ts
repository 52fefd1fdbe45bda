/** Control commands as processes, against a run whose worker lives in this one. */

import { rm } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { CodedError } from '../../src/errors.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import type { NewEffect } from '../../src/store/effects.ts';
import { createRun, REPO, type TestRun } from '../harness.ts';
import { auditRows, queueOf, startProcess, type WorkerProcess } from '../platform/control-support.ts';
import { commit, emptyPlatform, eventually, outboxTargets } from '../platform/support.ts';
import { addressesOf, runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

const SLOT = Date.UTC(2026, 0, 1);
const WHO = `${userInfo().username}@${hostname()}`;

let dir = '';
let run: TestRun;
let worker: WorkerProcess;
/** Jobs of this model fail for good while it is set. */
let broken: string | null = null;
const ran: string[] = [];

beforeAll(async () => {
  dir = await tempDir('nof0-control-');
  run = await createRun();
  await run.resources.db.query(
    `INSERT INTO models (id, display_name, exchange_provider, market_provider) VALUES ('carry', 'C', 'paper', 'synthetic'), ('steady', 'S', 'paper', 'synthetic')`,
  );
  await run.resources.db.query(`INSERT INTO trader_state (trader_id) VALUES ('carry'), ('steady')`);
  worker = await startProcess(run, {
    'decision-cycle': async ({ modelId }, { signal }) => {
      if (modelId === broken) throw new CodedError('NOF0_LEDGER_INCONSISTENT', `the books of ${modelId} are wrong`);
      if (modelId === 'endless') await new Promise((resolve) => signal.addEventListener('abort', resolve));
      ran.push(modelId);
      return done();
    },
    snapshot: async ({ modelId }) => {
      ran.push(`snapshot of ${modelId}`);
      return done();
    },
  });
});

afterEach(async () => {
  broken = null;
  ran.splice(0);
  await worker.resources.history.flush();
  await auditRows(run.resources);
  await emptyPlatform(run.resources);
});

afterAll(async () => {
  await worker.close();
  await run.close();
  await rm(dir, { recursive: true, force: true });
});

/** Runs in an empty folder with the addresses of the run and nothing else. */
async function cli(...args: string[]) {
  const env = {
    ...addressesOf(run.servers),
    NOF0_REDIS_PREFIX: run.prefix,
    NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
    NOF0_LOG_LEVEL: 'fatal',
  };
  return runNof0(args, env, dir);
}

async function request(...effects: NewEffect[]): Promise<void> {
  await run.resources.outbox.drain(await commit(run.resources.db, effects));
}

const cycle = (modelId: string, slotMs = SLOT) => enqueueEffect('decision-cycle', { modelId, slotMs });
const snapshot = (modelId: string) => enqueueEffect('snapshot', { modelId, asOfMs: SLOT });
const settled = () => eventually(async () => expect(await outboxTargets(run.resources.db)).toEqual([]));

/** Lets the cycles of a model fail for good; answers the numbers of their letters. */
async function failed(...slots: number[]): Promise<number[]> {
  broken = 'carry';
  await request(...slots.map((slotMs) => cycle('carry', slotMs)));
  await settled();
  broken = null;
  const rows = await run.resources.db.query<{ id: number }>('SELECT id FROM dead_letters ORDER BY payload');
  return rows.map(({ id }) => id);
}

describe('nof0 failed and nof0 redrive', () => {
  it('list what failed for good, and run it again', async () => {
    const [first = 0, second = 0, third = 0] = await failed(SLOT, SLOT + 60_000, SLOT + 120_000);
    const listed = await cli(
      'failed',
      '--job',
      'decision-cycle',
      '--model',
      'carry',
      '--error',
      'books',
      '--since',
      '1h',
    );
    expect(listed).toMatchObject({ code: 0 });
    expect(listed.output).toMatch(
      new RegExp(`${third} +decision-cycle +carry +NOF0_LEDGER_INCONSISTENT +the books of carry are wrong +1 +0 +20`),
    );
    const json = JSON.parse((await cli('failed', '--limit', '2', '--json')).output);
    expect(json.map(({ id }: { id: number }) => id)).toHaveLength(2);
    expect(await cli('failed', '--model', 'nobody')).toEqual({ code: 0, output: 'no failed jobs\n' });

    expect(await cli('redrive', String(first))).toEqual({ code: 0, output: `redriven 1: ${first}\n` });
    const again = await cli('redrive', String(first), '999999', String(second));
    expect(again).toMatchObject({ code: 1, output: expect.stringContaining(`redriven 1: ${second}\n`) });
    expect(again.output).toContain(`already redriven: ${first}\n`);
    expect(again.output).toContain('no such failed job: 999999\n');
    expect(await cli('redrive', '--all', '--error', 'other')).toEqual({ code: 0, output: 'redriven 0\n' });
    expect(await cli('redrive', '--all', '--job', 'decision-cycle')).toMatchObject({
      output: `redriven 1: ${third}\n`,
    });
    await settled();
    expect(ran).toEqual(['carry', 'carry', 'carry']);
    expect(await auditRows(run.resources)).toMatchObject([
      { who: WHO, what: 'redrive', after: { ids: [first] } },
      { who: WHO, what: 'redrive', after: { ids: [second] } },
      { who: WHO, what: 'redrive', after: { ids: [third] } },
    ]);
  });

  it('by two processes at the same time runs every job once', async () => {
    const ids = await failed(SLOT, SLOT + 60_000, SLOT + 120_000);
    const both = await Promise.all([cli('redrive', '--all'), cli('redrive', '--all')]);
    const numbers = both.flatMap(({ output }) => [...output.matchAll(/\d+(?=[,\n])/g)].map(([id]) => Number(id)));
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    for (const id of ids) expect(numbers).toContain(id);
    await settled();
    expect(ran).toEqual(['carry', 'carry', 'carry']);
  });

  it.each([
    [['redrive'], 'nothing was chosen: give the numbers'],
    [['redrive', '5', '--all'], 'ids and --all exclude each other'],
    [['redrive', '5', '--job', 'snapshot'], 'go with --all'],
    [['cancel', 'snapshot_nobody'], 'NOF0_JOB_UNKNOWN no job "snapshot_nobody" waits or runs (searched price-ingest,'],
    [['pause', 'snapshto'], 'did you mean snapshot?'],
  ])('%j is refused with a reason', async (args, reason) => {
    const { code, output } = await cli(...args);
    expect(output).toContain(reason);
    expect(code).toBe(1);
    expect(output.trim().split('\n')).toHaveLength(1);
  });
});

describe('nof0 cancel', () => {
  it('ends a job that runs in another process, and one that waits', async () => {
    await request(cycle('endless'));
    await eventually(async () => expect(await queueOf(run.resources, 'decision-cycle').getActiveCount()).toBe(1));
    const { code, output } = await cli('cancel', cycle('endless').target);
    expect(output).toBe(
      `${cycle('endless').target} (decision-cycle, was active): stopped while it ran; \`nof0 failed\` lists it\n`,
    );
    expect(code).toBe(0);
    await queueOf(run.resources, 'snapshot').pause();
    await request(snapshot('carry'));
    expect(await cli('cancel', 'snapshot_carry')).toMatchObject({
      code: 0,
      output: expect.stringContaining('snapshot_carry (snapshot, was waiting): taken out of its queue'),
    });
    await queueOf(run.resources, 'snapshot').resume();
    expect(await outboxTargets(run.resources.db)).toEqual([]);
    const codes = await run.resources.db.query('SELECT job, error_code AS code FROM dead_letters ORDER BY id');
    expect(codes).toEqual([
      { job: 'decision-cycle', code: 'NOF0_JOB_CANCELLED' },
      { job: 'snapshot', code: 'NOF0_JOB_CANCELLED' },
    ]);
    expect(ran.filter((each) => each.startsWith('snapshot'))).toEqual([]);
  });
});

describe('nof0 pause and nof0 resume', () => {
  it('hold a queue', async () => {
    expect(await cli('pause', 'snapshot')).toEqual({ code: 0, output: 'queue:snapshot is paused now\n' });
    await request(snapshot('carry'), cycle('steady'));
    await eventually(() => expect(ran).toEqual(['steady']));
    expect(await queueOf(run.resources, 'snapshot').getWaitingCount()).toBe(1);
    expect((await cli('pause', 'queues')).output).toMatch(
      /queue:snapshot is paused: nothing to do\nqueue:analytics is paused now\n/,
    );
    expect((await cli('resume', 'queues')).output).toMatch(/queue:price-ingest is running now\n/);
    await eventually(() => expect(ran).toEqual(['steady', 'snapshot of carry']));
  });

  it('hold a model, or all of them', async () => {
    expect(await cli('pause', 'carry')).toEqual({ code: 0, output: 'model:carry is paused now\n' });
    expect(await cli('pause', 'all')).toEqual({
      code: 0,
      output: 'model:carry is paused: nothing to do\nmodel:steady is paused now\n',
    });
    expect((await cli('resume', 'all')).output).toBe('model:carry is running now\nmodel:steady is running now\n');
    const listed = await cli('audit', '--limit', '3');
    expect(listed.code).toBe(0);
    expect(listed.output).toMatch(new RegExp(`${WHO} +resume +model:carry +{"state":"paused"} +{"state":"running"}`));
    expect(listed.output.trim().split('\n')).toHaveLength(4);
    const json = JSON.parse((await cli('audit', '--json')).output);
    expect(json).toHaveLength(4);
    expect(json[3]).toMatchObject({ who: WHO, what: 'pause', target: 'model:carry', after: { state: 'paused' } });
  });
});

describe('nof0 shadow', () => {
  it('puts a model into the shadow and lets it out, as JSON too', async () => {
    expect(await cli('shadow', 'carry')).toEqual({ code: 0, output: 'model:carry is shadow now\n' });
    const { output } = await cli('shadow', 'all', '--off', '--json');
    expect(JSON.parse(output)).toEqual([
      { target: 'model:carry', changed: true, state: 'running' },
      { target: 'model:steady', changed: false, state: 'running' },
    ]);
    expect(await cli('shadow', 'cary')).toMatchObject({
      code: 1,
      output: expect.stringContaining('NOF0_MODEL_UNKNOWN there is no model "cary"'),
    });
  });
});

describe('nof0 runs', () => {
  it('lists what ran, newest first, chosen by its payload too', async () => {
    await failed(SLOT);
    await request(cycle('steady', SLOT + 60_000), snapshot('carry'));
    await settled();
    await worker.resources.history.flush();
    const { code, output } = await cli('runs', '--outcome', 'failed', '--since', '10m', '--until', '0s');
    expect(code).toBe(0);
    expect(output).toMatch(/finished at +job +model +slot +attempt +outcome +ms +worker +error/);
    expect(output).toMatch(
      /decision-cycle +carry +2026-01-01 00:00:00 +1 +failed +\d+ +worker@\S+ +NOF0_LEDGER_INCONSISTENT the books/,
    );
    const json = JSON.parse((await cli('runs', '--payload', '{"modelId":"carry"}', '--json')).output);
    expect(json.map(({ job }: { job: string }) => job)).toEqual(['snapshot', 'decision-cycle']);
    expect(JSON.parse((await cli('runs', '--limit', '1', '--json')).output)).toHaveLength(1);
    expect(await cli('runs', '--model', 'nobody')).toEqual({ code: 0, output: 'no runs\n' });
  });
});

describe('help', () => {
  it('names every control command', async () => {
    const { output } = await cli('--help');
    for (const command of ['failed', 'redrive', 'cancel', 'pause', 'resume', 'shadow', 'runs', 'audit'])
      expect(output).toMatch(new RegExp(`^  ${command} `, 'm'));
  });
});
