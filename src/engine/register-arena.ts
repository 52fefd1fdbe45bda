/** Makes the database say what the arena file says: instruments, models, accounts, schedules. Run at every start of a scheduler. */

import { refresh } from '../domain/published-keys.ts';
import { sha256 } from '../domain/random.ts';
import { saveAssets } from '../store/market.ts';
import { registerModels, retiredIds } from '../store/models.ts';
import { isReplay, type RunRow } from '../store/runs.ts';
import { syncSchedules } from '../store/schedules.ts';
import type { Stories, Trader } from './context.ts';
import { schedulesOf } from './slots.ts';
import { PLATFORM } from './watch-equity.ts';

/** Longer than any schedule's interval. */
const LOOK_BACK_MS = 24 * 3_600_000;

/** What a participant decides with: its settings and, where it is asked in words, the prompt. */
export function settingsOf({ participant, prompt }: Pick<Trader, 'participant' | 'prompt'>): object {
  if (participant.endpoint === undefined) return participant;
  const { version, digest, system, user } = prompt;
  return { ...participant, prompt: { version, digest, system, user } };
}

/** Digest under which the settings of a participant are stored. */
export function configDigest(settings: object): string {
  return sha256(JSON.stringify(settings)).slice(0, 16);
}

/**
 * `nowMs`: market time of the start; new schedules begin behind it, and accounts have their inception there. `who` has brought the arena
 * file: the history of the models names him.
 */
export async function registerArena(stories: Stories, run: RunRow, nowMs: number, who = PLATFORM): Promise<void> {
  const { db, market, exchange, config, pace } = stories;
  const keys = [refresh('marketAsset', market.provider)];
  await stories.drain(await saveAssets(db, market.provider, await market.assets(), keys));
  const inceptionMs = run.startMs ?? nowMs;
  await registerModels(
    db,
    [...stories.traders.values()].map(({ participant, prompt, configDigest: digest }) => ({
      id: participant.id,
      displayName: participant.name ?? participant.id,
      exchangeProvider: exchange.provider,
      marketProvider: market.provider,
      config: settingsOf({ participant, prompt }),
      configDigest: digest,
      promptDigest: participant.endpoint === undefined ? null : prompt.digest,
      initialEquityUsd: participant.initialEquityUsd,
    })),
    inceptionMs,
    who,
  );
  await exchange.openAccounts(
    config.arena.models.map((model) => ({ account: model.id, initialUsd: model.initialEquityUsd })),
  );
  const replay = isReplay(run);
  // In real time the current slot of everything is due at once; a replay begins behind its first moment.
  const before = replay ? inceptionMs : nowMs - LOOK_BACK_MS;
  // Whoever has left stays away, also while the arena file still names it.
  const gone = new Set(await retiredIds(db));
  const wanted = schedulesOf(config, pace, market.provider, replay);
  await syncSchedules(
    db,
    wanted.filter(({ payload }) => !gone.has(String(payload.modelId))),
    before,
  );
}
