import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { z } from 'zod';
import { HISTORIES } from '../../src/cli/export.ts';
import { type Exported, writeExport } from '../../src/cli/export-writer.ts';
import { eachTrade } from '../../src/store/export.ts';
import { createRun, type TestRun } from '../harness.ts';
import { INCEPTION_MS, MODELS, seed } from '../http/arena.ts';
import { directoryOf, trade } from '../import/files.ts';
import { REPO } from '../paths.ts';
import { runNof0 } from '../processes.ts';
import { tempDir } from '../temp-dir.ts';

let dir = '';
let run: TestRun;

beforeAll(async () => {
  dir = await tempDir('nof0-export-');
  run = await createRun();
  await seed(run.resources);
  await run.resources.db.query(
    `INSERT INTO trades (id, model_id, symbol, side, quantity, entry_price, entry_ts_ms, exit_price, exit_ts_ms, realized_gross_pnl, realized_net_pnl,
       total_commission_dollars, exit_plan, exit_crossed, exit_reason)
     VALUES ('odd, "one"\n', $1, 'BTC', 'short', -1, 1, $2, 2, $2::bigint + 1, 1, 1, 0, '{"stop_loss": 3}', false, 'manual')`,
    [MODELS[0], INCEPTION_MS],
  );
});
afterAll(async () => {
  await run.close();
  await rm(dir, { recursive: true, force: true });
});

const all = { modelId: undefined, sinceMs: undefined, untilMs: undefined };

async function exported(name: string, format: 'csv' | 'json', filter: object = {}): Promise<string> {
  const history = HISTORIES[name];
  if (history === undefined) throw new Error(name);
  const file = path.join(dir, `${name}.${format}`);
  await writeExport({ file, format, under: history.under, columns: history.columns }, (write) =>
    history.read(run.resources.db, { ...all, ...filter }, write),
  );
  return readFile(file, 'utf8');
}

describe('an export', () => {
  it.each(Object.keys(HISTORIES))('of %s has every field as a column', async (name) => {
    const answer = z
      .record(z.string(), z.array(z.record(z.string(), z.unknown())))
      .parse(JSON.parse(await exported(name, 'json')));
    const rows = Object.values(answer).flat();
    expect(rows.length).toBeGreaterThan(5);
    for (const row of rows) expect(Object.keys(row).sort()).toEqual([...(HISTORIES[name]?.columns ?? [])].sort());
  });

  it('is CSV as RFC 4180 says, with a header also when there is nothing', async () => {
    const text = await exported('trades', 'csv', { untilMs: INCEPTION_MS + 2 });
    const [head, ...lines] = text.split('\r\n');
    expect(head?.split(',').slice(0, 4)).toEqual(['id', 'trade_id', 'model_id', 'symbol']);
    const odd = lines.find((line) => line.includes('odd'));
    expect(odd).toMatch(/^"odd, ""one""\n",/);
    expect(odd).toContain(',"{""stop_loss"":3}",');
    expect(odd).toContain(',false,');
    expect(text.endsWith('\r\n')).toBe(true);
    expect(await exported('trades', 'csv', { modelId: 'nobody' })).toBe(`${head}\r\n`);
    expect(JSON.parse(await exported('trades', 'json', { modelId: 'nobody' }))).toEqual({ trades: [] });
  });

  it('keeps to model and time, oldest first', async () => {
    const since = INCEPTION_MS + 10_000;
    const { trades } = z
      .object({ trades: z.array(z.object({ model_id: z.string(), exit_time: z.number() })) })
      .parse(
        JSON.parse(await exported('trades', 'json', { modelId: MODELS[1], sinceMs: since, untilMs: since + 5000 })),
      );
    expect(new Set(trades.map(({ model_id }) => model_id))).toEqual(new Set([MODELS[1]]));
    const times = trades.map(({ exit_time }) => exit_time * 1000);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(times.every((time) => time >= since && time < since + 5000)).toBe(true);
    expect(times.length).toBeGreaterThan(3);
  });

  it('reads in groups, all of one moment', async () => {
    await run.resources.db.query(
      `INSERT INTO trades (id, model_id, symbol, side, quantity, entry_price, entry_ts_ms, exit_price, exit_ts_ms, realized_gross_pnl, realized_net_pnl, total_commission_dollars)
       SELECT 'bulk_' || n, 'bulk', 'BTC', 'long', 1, 1, n, 1, n, 0, 0, 0 FROM generate_series(1, 2500) AS n`,
    );
    const groups: number[] = [];
    await eachTrade(run.resources.db, { ...all, modelId: 'bulk' }, async (rows) => {
      groups.push(rows.length);
      await run.resources.db.query(`DELETE FROM trades WHERE id = 'bulk_2400'`);
    });
    expect(groups).toEqual([1000, 1000, 500]);
  });

  it('leaves no half file behind', async () => {
    const file = path.join(dir, 'half.json');
    const failing = writeExport({ file, format: 'json', under: 'x', columns: [] }, async (write) => {
      await write([{ a: 1 } as Exported]);
      throw new Error('the database went away');
    });
    await expect(failing).rejects.toThrow('went away');
    for (const name of [file, `${file}.part`]) await expect(readFile(name)).rejects.toThrow('ENOENT');
  });
});

describe('nof0 export', () => {
  it('writes what another run imports as the same trades', async () => {
    const database = new URL(inject('databaseUrl'));
    const envOf = (name: string) => {
      database.pathname = `/${name}`;
      return {
        NOF0_ARENA: path.join(REPO, 'config/arena.yaml'),
        NOF0_REDIS_PREFIX: `test.${name}`,
        DATABASE_URL: database.toString(),
        REDIS_QUEUE_URL: inject('queueRedisUrl'),
        REDIS_CACHE_URL: inject('cacheRedisUrl'),
      };
    };
    const files = await directoryOf({ 'trades.json': { trades: [trade(), trade({ id: 'm1_b', exit_price: 111.5 })] } });
    expect(await runNof0(['import', files], envOf('cli_export'), dir)).toMatchObject({ code: 0 });
    const out = path.join(await directoryOf({}), 'trades.json');
    expect(await runNof0(['export', 'trades', '--out', out], envOf('cli_export'), dir)).toMatchObject({
      code: 0,
      output: expect.stringContaining('2 rows'),
    });
    const again = await runNof0(['import', path.dirname(out)], envOf('cli_export'), dir);
    expect(again.output).toMatch(/trades\.json +2 +0 +0 +0 +0/);
    const unknown = await runNof0(['export', 'trades', '--model', 'm2'], envOf('cli_export'), dir);
    expect(unknown).toMatchObject({ code: 1, output: expect.stringContaining('NOF0_MODEL_UNKNOWN') });
    const { output } = await runNof0(['export', 'equity', '--since', '2h'], envOf('cli_export'), dir);
    expect(output).toContain('id,model_id,timestamp,dollar_equity');
  });
});
