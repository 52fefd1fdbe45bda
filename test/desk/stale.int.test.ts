/** What is old is no news: yesterday's bars signal nothing in the morning, and headlines are forgotten after a day. */

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sessionOf } from '../../src/domain/desk/calendar.ts';
import type { Stories } from '../../src/engine/context.ts';
import { readNews } from '../../src/engine/desk/news.ts';
import { screenStocks } from '../../src/engine/desk/screen.ts';
import { ingestPrices } from '../../src/engine/ingest-prices.ts';
import { registerArena } from '../../src/engine/register-arena.ts';
import { latestSentiment } from '../../src/store/desk/news.ts';
import { count, never } from '../engine/arena.ts';
import { createRun, type TestRun } from '../harness.ts';

const DAY = '2025-05-09';
const MINUTE_MS = 60_000;
const session = sessionOf(DAY) ?? { openMs: 0, closeMs: 0 };

let run: TestRun;
let stories: Stories;

beforeAll(async () => {
  const startMs = session.openMs - 30 * MINUTE_MS;
  const settings = { feed: 'synthetic' as const, day: DAY };
  const endMs = session.closeMs;
  run = await createRun({ kind: 'equities', settings, seed: 'nof0', startMs, endMs, marketNowMs: endMs });
  ({ stories } = await run.stories());
  await registerArena(stories, run.resources.run, startMs);
});
afterAll(() => run.close());

describe('what is old', () => {
  it('is no signal: before the first bar of a session has ended there are no candidates', async () => {
    const { db } = run.resources;
    const scan = async (slotMs: number) => {
      await ingestPrices(stories, slotMs, never);
      expect(await screenStocks(stories, slotMs)).toMatchObject({ kind: 'done', note: { watched: 10 } });
      return count(db, 'desk_candidates WHERE ts_ms = $1', [slotMs]);
    };
    for (const minute of [0, 2, 4]) expect(await scan(session.openMs + minute * MINUTE_MS)).toBe(0);
    expect(await count(db, 'desk_signals')).toBe(0);
    let found = 0;
    for (const minute of [5, 10, 15, 20]) found += await scan(session.openMs + minute * MINUTE_MS);
    expect(found).toBeGreaterThan(0);
  }, 60_000);

  it('is no sentiment: a stock about which nobody has written for a day is neutral, and stays so with one row', async () => {
    const { db } = run.resources;
    await readNews(stories, session.closeMs, never);
    const before = await latestSentiment(db);
    expect(before.some(({ score, newsCount }) => score !== 0 && newsCount > 0)).toBe(true);
    const later = session.closeMs + 25 * 60 * MINUTE_MS;
    await readNews(stories, later, never);
    expect((await latestSentiment(db)).every(({ score, newsCount }) => score === 0 && newsCount === 0)).toBe(true);
    const rows = await count(db, 'desk_sentiment');
    await readNews(stories, later + 5 * MINUTE_MS, never);
    expect(await count(db, 'desk_sentiment')).toBe(rows);
    const { publisher } = run.resources;
    const [text = ''] = (await publisher.read({ family: 'stockSentiment', ids: ['AAPL'] })) ?? [];
    expect(JSON.parse(text)).toMatchObject({
      sentiment_score: 0,
      sentiment_label: 'neutral',
      news_count: 0,
      latest_news: [],
    });
  });
});
