/** Seasons on a real arena: each change is done or not done, wherever its process dies, and a final ranking stays what it is. */

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Desk } from '../../src/engine/control-positions.ts';
import { pauseModels } from '../../src/engine/control-traders.ts';
import { runDecisionCycle } from '../../src/engine/decision-cycle/cycle-runner.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { endSeason, freezeSeason, resetSeason, type SeasonChange, startSeason } from '../../src/engine/season.ts';
import { takeSnapshot } from '../../src/engine/take-snapshot.ts';
import { verifyRows } from '../../src/engine/verify.ts';
import { listSeasons } from '../../src/store/seasons.ts';
import { traderStates } from '../../src/store/trader-state.ts';
import { observeBoundaries } from '../../src/telemetry/boundaries.ts';
import { auditRows, controlOf, WHO } from '../platform/control-support.ts';
import { type Arena, arenaConfig, cached, count, never, one, openTestArena, T0 } from './arena.ts';

const MINUTE_MS = 60_000;
const INITIAL = 10_000;

let arena: Arena;
let desk: Desk;
beforeEach(async () => {
  arena = await openTestArena(arenaConfig({ history: '30m', guardrails: { cooldown: '0s' } }));
  desk = { control: controlOf(arena.run.resources), stories: arena.stories, signal: never };
  await ingestPrices(arena.stories, T0, never);
});
afterEach(() => arena.run.close());

/** The market goes on, and `holder` decides: it buys what it can, once. */
async function trade(minute: number): Promise<void> {
  await ingestPrices(arena.stories, T0 + minute * MINUTE_MS, never);
  await runDecisionCycle(arena.stories, arena.frames, 'holder', T0 + minute * MINUTE_MS, never);
}
const goOn = (minute: number) => ingestPrices(arena.stories, T0 + minute * MINUTE_MS, never);
const states = async () => (await traderStates(arena.db, ['holder', 'twin'])).map(({ state }) => state);
const seasons = () => listSeasons(arena.db);
const equity = async (id: string) =>
  (
    await one<{ usd: number }>(
      arena.db,
      'SELECT equity_usd AS usd FROM account_equity_snapshots WHERE model_id = $1 ORDER BY ts_ms DESC LIMIT 1',
      [id],
    )
  ).usd;

/** A season that was played and has ended with everybody flat. */
async function played(): Promise<void> {
  await startSeason(desk, 'autumn', false);
  await trade(1);
  await goOn(2);
  await endSeason(desk, true, 1000);
}

/** Does something in a process that dies at the first boundary where none has died before; null when it has come to its end. */
async function dying(graves: string[], act: () => Promise<SeasonChange>): Promise<string | null> {
  let where: string | null = null;
  const stop = observeBoundaries(({ side, what }) => {
    const here = `${side} ${what}`;
    if (where === null && graves.includes(here)) return;
    // From here on nothing of this process happens any more.
    where ??= here;
    throw new Error('the process has died');
  });
  await act()
    .catch(() => {})
    .finally(stop);
  if (where !== null) graves.push(where);
  return where;
}

describe('a season', () => {
  it('starts, ends, is frozen and reset, each once and written down', async () => {
    const first = await startSeason(desk, 'autumn', false);
    expect(first).toMatchObject({ changed: true, season: { name: 'autumn', state: 'running', startsMs: T0 } });
    await expect(startSeason(desk, 'winter', false)).rejects.toThrow('is running: end it');
    await expect(freezeSeason(desk)).rejects.toThrow('is running: end it first');
    await trade(1);
    await goOn(2);
    await expect(resetSeason(desk)).rejects.toThrow('freeze its ranking first');
    expect((await endSeason(desk, true, 1000)).changed).toBe(true);
    expect((await endSeason(desk, true, 1000)).changed).toBe(false);
    expect(await states()).toEqual(['paused', 'paused']);
    const frozen = await freezeSeason(desk);
    expect(frozen.season.state).toBe('frozen');
    expect((await freezeSeason(desk)).changed).toBe(false);
    const [winner, loser] = frozen.season.finalRanking ?? [];
    // Who held nothing lost nothing; who traded paid his fees at least.
    expect([winner?.place, loser?.place]).toEqual([1, 2]);
    const holder = frozen.season.finalRanking?.find(({ id }) => id === 'holder');
    const twin = frozen.season.finalRanking?.find(({ id }) => id === 'twin');
    expect(twin).toMatchObject({ return_pct: 0, opening_equity: INITIAL, equity: INITIAL, num_trades: 0 });
    expect(holder).toMatchObject({ opening_equity: INITIAL, num_trades: 4, equity: await equity('holder') });
    expect((holder?.win_dollars ?? 0) + (holder?.lose_dollars ?? 0)).toBeCloseTo((holder?.equity ?? 0) - INITIAL, 6);
    const reset = await resetSeason(desk);
    expect(reset.season.resetAtMs).not.toBeNull();
    expect((await resetSeason(desk)).changed).toBe(false);
    expect([await equity('holder'), await equity('twin')]).toEqual([expect.closeTo(INITIAL, 9), INITIAL]);
    expect((await arena.stories.exchange.accountState('holder')).equityUsd).toBe(INITIAL);
    expect((await startSeason(desk, 'winter', true)).season.state).toBe('running');
    expect(await states()).toEqual(['running', 'running']);
    const rows = (await auditRows(arena.run.resources)).filter(({ what }) => what.startsWith('season'));
    expect(rows.map(({ who, what, target }) => [who, what, target])).toEqual([
      [WHO, 'season start', 'season:autumn'],
      [WHO, 'season end', 'season:autumn'],
      [WHO, 'season freeze', 'season:autumn'],
      [WHO, 'season reset', 'season:autumn'],
      [WHO, 'season start', 'season:winter'],
    ]);
    await expect(startSeason(desk, 'autumn', false)).rejects.toMatchObject({ code: 'NOF0_SEASON_STATE' });
  }, 60_000);

  it('has the same ranking whenever it is frozen, whatever happens after its end', async () => {
    await startSeason(desk, 'autumn', false);
    await trade(1);
    await goOn(2);
    await endSeason(desk, false, 1000);
    for (const id of ['holder', 'twin']) await takeSnapshot(arena.stories, id, T0 + 2 * MINUTE_MS);
    const atEnd = await equity('holder');
    await goOn(9);
    for (const id of ['holder', 'twin']) await takeSnapshot(arena.stories, id, T0 + 9 * MINUTE_MS);
    expect(await equity('holder')).not.toBe(atEnd);
    const { season } = await freezeSeason(desk);
    expect(season.finalRanking?.find(({ id }) => id === 'holder')?.equity).toBe(atEnd);
  });

  it('is changed by nobody once it is frozen', async () => {
    await played();
    const { season } = await freezeSeason(desk);
    const write = (text: string) => arena.db.query(text, [season.id]);
    for (const text of [
      `UPDATE seasons SET final_ranking = '[]' WHERE id = $1`,
      `UPDATE seasons SET state = 'running', final_ranking = NULL, frozen_at = NULL WHERE id = $1`,
      `UPDATE seasons SET name = 'mine', reset_at = now() WHERE id = $1`,
      'DELETE FROM seasons WHERE id = $1',
    ])
      await expect(write(text), text).rejects.toThrow('is frozen');
    expect(await seasons()).toEqual([season]);
    await resetSeason(desk);
    await expect(write('UPDATE seasons SET reset_at = NULL WHERE id = $1')).rejects.toThrow('is frozen');
  });

  it('two who end and freeze it at the same time do it once', async () => {
    await startSeason(desk, 'autumn', false);
    const ends = await Promise.all([endSeason(desk, false, 1000), endSeason(desk, false, 1000)]);
    expect(ends.filter(({ changed }) => changed)).toHaveLength(1);
    const both = await Promise.all([freezeSeason(desk), freezeSeason(desk)]);
    expect(both.filter(({ changed }) => changed)).toHaveLength(1);
    expect(both[0]?.season).toEqual(both[1]?.season);
  });

  it('stands in its key, and follows it', async () => {
    await startSeason(desk, 'autumn', false);
    expect(await cached(arena.run, 'seasons')).toMatchObject({ seasons: [{ name: 'autumn', state: 'running' }] });
    await endSeason(desk, false, 1000);
    await freezeSeason(desk);
    expect(await cached(arena.run, 'seasons')).toMatchObject({
      seasons: [{ state: 'frozen', ranking: [{ place: 1, opening_equity: INITIAL }, { place: 1 }] }],
    });
  });
});

describe('a process that dies', () => {
  it('in the middle of a freeze has frozen nothing, or all of it', async () => {
    await played();
    const seen: string[] = [];
    while (true) {
      const where = await dying(seen, () => freezeSeason(desk));
      if (where === null) break;
      const [season] = await seasons();
      const wholly = season?.state === 'frozen';
      expect(season?.finalRanking === null, where).toBe(!wholly);
      expect(await count(arena.db, `audit_log WHERE what = 'season freeze'`), where).toBe(wholly ? 1 : 0);
      if (wholly) break;
    }
    expect(seen.some((where) => where.startsWith('before commit') && where.includes('~seasons'))).toBe(true);
    expect(seen.some((where) => where.startsWith('after commit') && where.includes('~seasons'))).toBe(true);
    const { season } = await freezeSeason(desk);
    expect(season.finalRanking).toHaveLength(2);
    expect(await count(arena.db, `audit_log WHERE what = 'season freeze'`)).toBe(1);
  }, 60_000);

  it('in the middle of a reset has moved the money of all or of nobody, and it is moved once', async () => {
    await played();
    await freezeSeason(desk);
    const cash = () =>
      arena.db
        .query<{ usd: number }>('SELECT cash_usd AS usd FROM paper_accounts ORDER BY account')
        .then((rows) => rows.map(({ usd }) => usd));
    const before = await cash();
    expect(before[0]).not.toBe(INITIAL);
    const seen: string[] = [];
    while ((await seasons())[0]?.resetAtMs === null) {
      const where = await dying(seen, () => resetSeason(desk));
      expect([before, [INITIAL, INITIAL]], where ?? 'the end').toContainEqual(await cash());
    }
    for (const table of ['+paper_fills', '~seasons'])
      for (const side of ['before', 'after'])
        expect(
          seen.some((where) => where.startsWith(`${side} commit`) && where.includes(table)),
          table,
        ).toBe(true);
    await resetSeason(desk);
    expect(await cash()).toEqual([INITIAL, INITIAL]);
    expect(await count(arena.db, `paper_fills WHERE kind = 'transfer'`)).toBe(2);
    expect(await count(arena.db, `fills WHERE kind = 'transfer'`)).toBe(2);
    expect(await count(arena.db, `audit_log WHERE what = 'season reset'`)).toBe(1);
    expect(await equity('holder')).toBeCloseTo(INITIAL, 9);
    // The books add up with the transfers in them, here and at the exchange.
    const checks = await verifyRows(arena.db, 'synthetic', arena.stories.exchange);
    expect(checks.flatMap(({ differences }) => differences)).toEqual([]);
  }, 60_000);
});

describe('a reset', () => {
  it('is refused while somebody may trade or has positions', async () => {
    await startSeason(desk, 'autumn', false);
    await trade(1);
    await endSeason(desk, false, 1000);
    await freezeSeason(desk);
    await expect(resetSeason(desk)).rejects.toMatchObject({ code: 'NOF0_MODEL_NOT_FLAT' });
    expect(await count(arena.db, `paper_fills WHERE kind = 'transfer'`)).toBe(0);
    await arena.db.query(`UPDATE trader_state SET state = 'running', metadata = '{}' WHERE trader_id = 'twin'`);
    await expect(resetSeason(desk)).rejects.toMatchObject({ code: 'NOF0_SEASON_STATE' });
    await pauseModels(desk.control, ['twin']);
  });
});
