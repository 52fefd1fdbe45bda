import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listRuns, type RunFilter, runQuery } from '../../src/store/run-history.ts';
import { createRun, type TestRun } from '../harness.ts';

const END = Date.UTC(2026, 0, 2);
const MINUTE_MS = 60_000;
const RUNS = 5000;

let run: TestRun;

beforeAll(async () => {
  run = await createRun();
  // One a minute, the newest at END: jobs, models and outcomes take turns.
  await run.resources.db.query(
    `INSERT INTO job_runs (queue, job, job_id, attempt, outcome, reason, model_id, slot_ms, worker, started_at, finished_at, error_code, error_message, payload)
     SELECT job, job, job || '_' || i, 1, outcome, NULL, 'm' || i % 10, $1::bigint - i * 60000, 'w', at - interval '250 ms', at,
            CASE WHEN outcome = 'failed' THEN 'NOF0_MARKET_DATA' END, CASE WHEN outcome = 'failed' THEN 'Candle ' || i || ' is 100% wrong' END,
            jsonb_build_object('v', 1, 'modelId', 'm' || i % 10, 'number', i, 'deep', jsonb_build_object('list', jsonb_build_array(i, i + 1)))
     FROM (SELECT i, to_timestamp(($1::bigint - i * 60000) / 1000.0) AS at, (ARRAY['snapshot', 'analytics'])[1 + i % 2] AS job,
                  (ARRAY['done', 'done', 'failed', 'skipped'])[1 + i % 4] AS outcome FROM generate_series(0, $2 - 1) i) AS r`,
    [END, RUNS],
  );
  await run.resources.db.query('VACUUM ANALYZE job_runs');
});

afterAll(() => run.close());

/** Numbers of the runs that are found, in their order. */
async function found(filter: Partial<RunFilter>): Promise<number[]> {
  const runs = await listRuns(run.resources.db, { limit: 5, ...filter });
  return runs.map(({ payload }) => (payload as { number: number }).number);
}

describe('the history of runs', () => {
  it('is read newest first, whole', async () => {
    expect(await found({})).toEqual([0, 1, 2, 3, 4]);
    const [third] = await listRuns(run.resources.db, { outcome: 'failed', limit: 1 });
    expect(third).toMatchObject({
      ...{ job: 'snapshot', jobId: 'snapshot_2', modelId: 'm2', slotMs: END - 2 * MINUTE_MS, attempt: 1 },
      ...{ outcome: 'failed', durationMs: 250, worker: 'w', finishedAt: new Date(END - 2 * MINUTE_MS) },
      ...{ errorCode: 'NOF0_MARKET_DATA', errorMessage: 'Candle 2 is 100% wrong' },
    });
  });

  it.each<[string, Partial<RunFilter>, number[]]>([
    ['job', { job: 'analytics' }, [1, 3, 5, 7, 9]],
    ['model', { modelId: 'm7' }, [7, 17, 27, 37, 47]],
    ['outcome', { outcome: 'skipped' }, [3, 7, 11, 15, 19]],
    ['code', { error: 'NOF0_MARKET_DATA' }, [2, 6, 10, 14, 18]],
    ['message', { error: 'candle 10 IS 100%' }, [10]],
    ['beginning', { sinceMs: END - MINUTE_MS }, [0, 1]],
    ['end', { untilMs: END - 4990 * MINUTE_MS }, [4990, 4991, 4992, 4993, 4994]],
    ['payload', { payload: { number: 321 } }, [321]],
    ['depth of the payload', { payload: { deep: { list: [4321] } } }, [4320, 4321]],
    ['everything', { job: 'snapshot', modelId: 'm2', outcome: 'failed', payload: { v: 1 }, limit: 2 }, [2, 22]],
    ['nothing there', { payload: { number: 'one' } }, []],
  ])('is searched by %s', async (_what, filter, numbers) => {
    expect(await found(filter)).toEqual(numbers);
  });

  it('finds a payload by its index, however long the history', async () => {
    const { text, values } = runQuery({ payload: { number: 321 }, limit: 50 });
    const plan = await run.resources.db.query(`EXPLAIN ${text}`, values);
    expect(JSON.stringify(plan)).toContain('job_runs_payload');
    expect(JSON.stringify(plan)).not.toContain('Seq Scan');
  });
});
