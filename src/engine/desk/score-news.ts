/** What headlines say: by the lexicon, or by the desk's model where the arena file wants it and it answers within its budget. */

import type { NewsItem } from '../../domain/desk/news.ts';
import { scoreHeadline } from '../../domain/desk/sentiment.ts';
import { marketDay } from '../../domain/time.ts';
import { CodedError } from '../../errors.ts';
import type { HeadlineScorer } from '../../llm/decision-model.ts';
import type { ScoredNews } from '../../store/desk/news.ts';
import { reserveBudget, settleBudget } from '../../store/llm-budget.ts';
import { crossing } from '../../telemetry/boundaries.ts';
import type { Stories } from '../context.ts';
import { deskOf } from './desk-story.ts';

/** Of those that are known already nobody is asked again. A model that does not answer is no reason to have no sentiment. */
export async function scoreNews(
  stories: Stories,
  items: readonly NewsItem[],
  slotMs: number,
  signal: AbortSignal,
): Promise<ScoredNews[]> {
  const byLexicon = items.map((item): ScoredNews => ({ ...item, score: scoreHeadline(item.headline) }));
  const { headlines: scorer } = stories;
  if (scorer === null) return byLexicon;
  // One headline may be about several stocks.
  const texts = [...new Set(items.map(({ headline }) => headline))];
  const scores = new Map<string, number>();
  for (let from = 0; from < texts.length; from += scorer.atOnce) {
    const some = texts.slice(from, from + scorer.atOnce);
    const found = await ask(stories, scorer, some, marketDay(slotMs), signal);
    if (found === null) break;
    for (const [i, text] of some.entries()) scores.set(text, found[i] ?? 0);
  }
  return byLexicon.map((item) => ({ ...item, score: scores.get(item.headline) ?? item.score }));
}

/** The scores of some headlines; null when the model may not be asked or has not answered any. */
async function ask(
  stories: Stories,
  scorer: HeadlineScorer,
  headlines: readonly string[],
  day: string,
  signal: AbortSignal,
): Promise<number[] | null> {
  const { db, metrics, logger, traders } = stories;
  const { modelId } = deskOf(stories);
  // An account of its own, with the limits of the trader: what its decisions cost stands against its cycles.
  const model = `${modelId}:headlines`;
  const { dailyTokens, dailyUsd } = traders.get(modelId)?.participant ?? {};
  const limit = { tokens: dailyTokens ?? null, usd: dailyUsd ?? null };
  const want = scorer.bound(headlines);
  if (!(await reserveBudget(db, model, day, want, limit))) {
    metrics.llmCalls.inc({ model, result: 'budget' });
    return null;
  }
  try {
    const { scores, used } = await crossing('call model for headlines', () => scorer.score(headlines, signal));
    await settleBudget(db, model, day, want, used);
    metrics.llmCalls.inc({ model, result: 'answered' });
    return scores;
  } catch (error) {
    const isOfModel = error instanceof CodedError && error.code.startsWith('NOF0_LLM_');
    if (!isOfModel) throw error;
    metrics.llmCalls.inc({ model, result: error.code === 'NOF0_LLM_UNAVAILABLE' ? 'unavailable' : 'invalid' });
    logger.warn({ model, error: error.message }, 'headlines are scored by the lexicon');
    const { used, spent } = error.details as { used?: typeof want; spent?: boolean };
    // Where nobody knows what was used, the reservation stays spent.
    const paid = used ?? (spent === false ? { tokens: 0, usd: 0 } : want);
    await settleBudget(db, model, day, want, paid);
    return null;
  }
}
