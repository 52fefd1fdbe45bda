/**
 * Seasons: a stretch of market time with a ranking of its own. It starts with the equity that everybody has, ends by pausing everybody,
 * is frozen with its final ranking, and its accounts may be brought back to what they began with. Each of these is one commit; whatever
 * dies before it has done nothing, and the same call goes on. Each leaves a row in the audit log.
 */

import { closest } from '../domain/closest.ts';
import { refresh } from '../domain/published-keys.ts';
import { rankSeason } from '../domain/season.ts';
import { isHeld, ordered } from '../domain/trader-state.ts';
import { CodedError } from '../errors.ts';
import { audit } from '../store/audit.ts';
import type { Queryable } from '../store/database.ts';
import { addEffects, type EffectRow } from '../store/effects.ts';
import { accounts } from '../store/equity.ts';
import { participantIds } from '../store/models.ts';
import {
  endSeasonRow,
  freezeSeasonRow,
  insertSeason,
  listSeasons,
  lockSeasons,
  markReset,
  type Season,
  seasonStandings,
} from '../store/seasons.ts';
import { changeWithin, traderStates } from '../store/trader-state.ts';
import type { Control } from './control.ts';
import { type Desk, flattenModels } from './control-positions.ts';
import { syncFills } from './ingest-fills.ts';
import { marketNow } from './market-now.ts';
import { takeSnapshot } from './take-snapshot.ts';

/** What a season is after a call, and whether the call changed it. */
export type SeasonChange = { readonly season: Season; readonly changed: boolean };

const NAME = /^[^\p{Cc}]{1,64}$/u;

/**
 * Starts a season with the equity of a snapshot taken now. `resume`: paused models go on (halted ones stay). Throws NOF0_SEASON_STATE
 * while another one is not frozen, or when there was one of this name.
 */
export async function startSeason(desk: Desk, name: string, resume: boolean): Promise<SeasonChange> {
  const { control, stories } = desk;
  if (!NAME.test(name))
    throw new CodedError('NOF0_INPUT_INVALID', 'a season has a name of 1 to 64 printable characters');
  assertNew(name, await listSeasons(control.db));
  await snapshots(desk, await participantIds(control.db));
  const nowMs = await marketNow(stories);
  return commit(control, async (tx) => {
    assertNew(name, await listSeasons(tx));
    const season = await insertSeason(tx, name, nowMs);
    await audit(tx, { who: control.who, what: 'season start', target: `season:${name}`, after: { startsMs: nowMs } });
    const note = { who: control.who, what: 'resume', rearm: true };
    const ids = resume ? await participantIds(tx) : [];
    const { effects } = await changeWithin(tx, ids, (before) => ordered(before, 'resume', control.who), note);
    return { season, effects };
  });
}

function assertNew(name: string, seasons: readonly Season[]): void {
  const open = seasons.find(({ state }) => state !== 'frozen');
  if (open !== undefined)
    throw new CodedError(
      'NOF0_SEASON_STATE',
      `season "${open.name}" ${open.state === 'running' ? 'is running: end it, and freeze it' : 'has ended: freeze it'} before another one starts`,
    );
  if (seasons.some((season) => season.name === name))
    throw new CodedError('NOF0_SEASON_STATE', `there was a season "${name}"; its ranking stays under that name`);
}

/**
 * Ends the running season: from now on its models are paused. `flatten`: their positions are closed first, so that the ranking holds what
 * was really earned; if one cannot be closed the season goes on and NOF0_MODEL_NOT_FLAT names it. Open positions count at their mark.
 */
export async function endSeason(desk: Desk, flatten: boolean, waitMs: number): Promise<SeasonChange> {
  const { control, stories } = desk;
  const open = await openSeason(control.db);
  if (open.state === 'ended') return { season: open, changed: false };
  if (flatten) await flattenAll(desk, waitMs);
  const endsMs = Math.max(await marketNow(stories), open.startsMs);
  return commit(control, async (tx) => {
    const season = await openSeason(tx);
    if (season.state === 'ended') return { season, effects: [], changed: false };
    const note = { who: control.who, what: 'pause' };
    const pause = await changeWithin(
      tx,
      await participantIds(tx),
      (before) => ordered(before, 'pause', control.who),
      note,
    );
    await endSeasonRow(tx, season.id, endsMs);
    const entry = { who: control.who, what: 'season end', target: `season:${season.name}`, after: { endsMs } };
    await audit(tx, entry);
    return { season: { ...season, state: 'ended', endsMs }, effects: pause.effects };
  });
}

/**
 * Freezes the season that has ended: its final ranking is computed from the first snapshot of each model at or after the end, and stored
 * in the same commit. The same ranking whenever it is done, and nobody changes it afterwards.
 */
export async function freezeSeason(desk: Desk): Promise<SeasonChange> {
  const { control } = desk;
  const newest = await latestSeason(control.db);
  if (newest.state === 'frozen') return { season: newest, changed: false };
  if (newest.state === 'running') throw notEnded(newest);
  const missing = (await seasonStandings(control.db, newest.id)).filter(({ closed }) => !closed);
  await snapshots(
    desk,
    missing.map(({ modelId }) => modelId),
  );
  return commit(control, async (tx) => {
    const season = await latestSeason(tx);
    if (season.state === 'frozen') return { season, effects: [], changed: false };
    if (season.state === 'running') throw notEnded(season);
    const standings = await seasonStandings(tx, season.id);
    const open = standings.filter(({ closed }) => !closed).map(({ modelId }) => modelId);
    if (open.length > 0)
      throw new CodedError('NOF0_SEASON_STATE', `no snapshot at or after the end yet: ${open.join(', ')}; try again`);
    const ranking = rankSeason(standings);
    await freezeSeasonRow(tx, season.id, ranking);
    await audit(tx, { who: control.who, what: 'season freeze', target: `season:${season.name}`, after: { ranking } });
    return { season: await latestSeason(tx), effects: [] };
  });
}

/**
 * After the season is frozen: every account that has not left is brought back to what it began with, by a transfer that stands in the
 * ledger like any other; trades, equity and rankings of before stay. All accounts in one commit of the exchange, marked by the season:
 * broken off and done again it transfers once. The models must be paused and flat.
 */
export async function resetSeason(desk: Desk): Promise<SeasonChange> {
  const { control, stories } = desk;
  const season = await latestSeason(control.db);
  if (season.resetAtMs !== null) return { season, changed: false };
  if (season.state !== 'frozen')
    throw new CodedError('NOF0_SEASON_STATE', `season "${season.name}" is ${season.state}: freeze its ranking first`);
  const { exchange } = stories;
  if (exchange.settle === undefined)
    throw new CodedError(
      'NOF0_SEASON_STATE',
      'the money at this exchange is not ours to move: the next season starts from the equity that is there',
    );
  const ids = await participantIds(control.db);
  const free = (await traderStates(control.db, ids)).filter(({ state }) => !isHeld(state));
  if (free.length > 0)
    throw new CodedError(
      'NOF0_SEASON_STATE',
      `${free.map(({ traderId }) => traderId).join(', ')} may trade: pause them (nof0 pause all), then reset`,
    );
  const begun = (await accounts(control.db)).filter(({ modelId }) => ids.includes(modelId));
  const nowMs = await marketNow(stories);
  const wanted = begun.map(({ modelId, initialEquityUsd }) => ({ account: modelId, usd: initialEquityUsd }));
  await exchange.settle(wanted, `season:${season.id}`, nowMs);
  for (const id of ids) await syncFills(stories, id, nowMs, { snapshot: true });
  await snapshots(desk, ids);
  return commit(control, async (tx) => {
    const changed = await markReset(tx, season.id);
    const entry = { who: control.who, what: 'season reset', target: `season:${season.name}` };
    if (changed) await audit(tx, { ...entry, after: { equityUsd: wanted } });
    return { season: await latestSeason(tx), effects: [], changed };
  });
}

/** The season with this name; the newest one without. Throws NOF0_SEASON_UNKNOWN. */
export async function findSeason(db: Queryable, name: string | undefined): Promise<Season> {
  if (name === undefined) return latestSeason(db);
  const seasons = await listSeasons(db);
  const found = seasons.find((season) => season.name === name);
  if (found !== undefined) return found;
  const names = seasons.map((season) => season.name);
  const guess = closest(name, names);
  throw new CodedError(
    'NOF0_SEASON_UNKNOWN',
    `there is no season "${name}"; expected ${names.join(', ') || 'none yet'}${guess ? `; did you mean ${guess}?` : ''}`,
  );
}

async function latestSeason(db: Queryable): Promise<Season> {
  const [newest] = await listSeasons(db);
  if (newest === undefined)
    throw new CodedError('NOF0_SEASON_UNKNOWN', 'there has been no season yet: nof0 season start NAME');
  return newest;
}

/** The one that is not frozen. */
async function openSeason(db: Queryable): Promise<Season> {
  const newest = await latestSeason(db);
  if (newest.state !== 'frozen') return newest;
  throw new CodedError('NOF0_SEASON_STATE', `season "${newest.name}" is frozen, and no other one has started`);
}

function notEnded({ name }: Season): CodedError {
  return new CodedError('NOF0_SEASON_STATE', `season "${name}" is running: end it first (nof0 season end)`);
}

/** Snapshots of this moment. */
async function snapshots({ stories }: Desk, ids: readonly string[]): Promise<void> {
  for (const id of ids) await takeSnapshot(stories, id, await marketNow(stories));
}

async function flattenAll(desk: Desk, waitMs: number): Promise<void> {
  const flattened = await flattenModels(desk, await participantIds(desk.control.db), waitMs);
  const left = flattened.filter(({ closing }) => closing?.flat !== true);
  if (left.length === 0) return;
  throw new CodedError(
    'NOF0_MODEL_NOT_FLAT',
    `not flat: ${left.map(({ model, error }) => `${model}${error ? ` (${error.message})` : ''}`).join(', ')}. The season goes on, its models are paused; run it again`,
  );
}

type Done = { readonly season: Season; readonly effects: readonly EffectRow[]; readonly changed?: boolean };

/** One commit under the season lock, with the refresh of the published seasons. */
async function commit({ db, drain }: Control, work: (tx: Queryable) => Promise<Done>): Promise<SeasonChange> {
  const { season, effects, changed } = await db.transaction(async (tx) => {
    await lockSeasons(tx);
    const done = await work(tx);
    const keys = done.changed === false ? [] : await addEffects(tx, [refresh('seasons')]);
    return { ...done, effects: [...done.effects, ...keys] };
  });
  await drain(effects);
  return { season, changed: changed ?? true };
}
