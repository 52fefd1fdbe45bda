import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { done } from '../../src/engine/context.ts';
import { contractOf, enqueueEffect, parsePayload } from '../../src/jobs/registry.ts';
import { type Handler, type RunningWorker, startWorker } from '../../workers/define-worker.ts';
import { createRun, type TestRun } from '../harness.ts';
import { commit, emptyPlatform, eventually, outboxRows } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);

let run: TestRun;
const workers: RunningWorker[] = [];

beforeAll(async () => {
  run = await createRun();
});
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.close(0);
  await emptyPlatform(run.resources);
});
afterAll(() => run.close());

/** Snapshots of three models, scheduled and after trades; says how many ran at a time, of one model and in all. */
async function overlaps(
  handlerMs: number,
  perModel: number,
): Promise<{ ofOneModel: number; inAll: number; runs: number }> {
  const running = new Map<string, number>();
  const seen = { ofOneModel: 0, inAll: 0, runs: 0 };
  const handler: Handler<'snapshot'> = async ({ modelId }) => {
    running.set(modelId, (running.get(modelId) ?? 0) + 1);
    seen.runs += 1;
    seen.ofOneModel = Math.max(seen.ofOneModel, running.get(modelId) ?? 0);
    seen.inAll = Math.max(
      seen.inAll,
      [...running.values()].reduce((sum, count) => sum + count, 0),
    );
    await new Promise((resolve) => setTimeout(resolve, handlerMs));
    running.set(modelId, (running.get(modelId) ?? 0) - 1);
    return done();
  };
  workers.push(startWorker(run.resources, 'snapshot', handler, 8), startWorker(run.resources, 'snapshot', handler, 8));
  const effects = ['a', 'b', 'c'].flatMap((modelId) =>
    Array.from({ length: perModel }, (_, i) =>
      enqueueEffect('snapshot', { modelId, slotMs: SLOT + i * 60_000, asOfMs: SLOT + i * 60_000 }),
    ),
  );
  await run.resources.outbox.drain(await commit(run.resources.db, effects));
  await eventually(async () => expect(await outboxRows(run.resources.db)).toEqual([]));
  return seen;
}

describe('runs with the same key', () => {
  it('never overlap, in whatever process, while those with other keys run beside them', async () => {
    const seen = await overlaps(50, 3);
    expect(seen).toMatchObject({ ofOneModel: 1, runs: 9 });
    expect(seen.inAll).toBeGreaterThan(1);
  });

  it('do not wait behind a slow run of another key', async () => {
    const finished: string[] = [];
    const gate = new Promise<void>((resolve) => {
      const handler: Handler<'snapshot'> = async ({ modelId }) => {
        if (modelId === 'slow') await gate;
        finished.push(modelId);
        if (modelId !== 'slow' && finished.length === 5) resolve();
        return done();
      };
      workers.push(startWorker(run.resources, 'snapshot', handler, 4));
    });
    const names = ['slow', 'b', 'c', 'd', 'e', 'f'];
    await run.resources.outbox.drain(
      await commit(
        run.resources.db,
        names.map((modelId) => enqueueEffect('snapshot', { modelId, asOfMs: SLOT })),
      ),
    );
    await eventually(async () => expect(finished).toHaveLength(6));
    expect(finished.at(-1)).toBe('slow');
  });
});

describe('a payload of an older version', () => {
  it('is brought step by step to the version of the contract', () => {
    const contract = {
      ...contractOf('snapshot'),
      version: 1,
      upgrades: {
        0: (old: Record<string, unknown>) => old,
        1: ({ model, ...rest }: Record<string, unknown>) => ({ ...rest, modelId: model }),
      },
    };
    expect(parsePayload(contract, { v: 0, model: 'm', asOfMs: SLOT })).toEqual({
      v: 1,
      modelId: 'm',
      slotMs: null,
      asOfMs: SLOT,
    });
  });
});
