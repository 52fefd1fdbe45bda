/** What headlines say about a stock, by the words in them. Pure. */

export type Headline = { readonly headline: string; readonly tsMs: number };

/** Weights of words that headlines about companies use, −1 to 1. */
const LEXICON: Readonly<Record<string, number>> = {
  ...weights(1, 'surge surges soars soar skyrockets record breakthrough blockbuster'),
  ...weights(0.7, 'beats beat strong upgrade upgraded upgrades outperform rally rallies jumps jump wins win approval'),
  ...weights(
    0.5,
    'raises raise gains gain growth expands expand profit profits rises rise higher bullish buyback boosts',
  ),
  ...weights(0.3, 'partnership launches launch unveils dividend optimistic steady improves improved'),
  ...weights(-0.3, 'delays delay concern concerns cautious slows slow slowdown pressure uncertain'),
  ...weights(
    -0.5,
    'falls fall drops drop loss losses lower weak cuts cut declines decline bearish layoffs warns warning',
  ),
  ...weights(
    -0.7,
    'misses miss downgrade downgraded downgrades underperform slumps slump tumbles tumble recall probe lawsuit',
  ),
  ...weights(-1, 'plunges plunge crashes crash fraud bankruptcy collapse collapses scandal'),
};

const NEGATIONS: ReadonlySet<string> = new Set(['not', 'no', 'never', 'without', 'fails', 'denies', 'avoids']);
/** A negation turns the words that follow it this near. */
const NEGATION_REACH = 3;
const HALF_LIFE_MS = 6 * 3_600_000;
/** Older headlines say nothing any more. */
export const NEWS_SPAN_MS = 24 * 3_600_000;
const LABEL_FROM = 0.2;

function weights(weight: number, words: string): Record<string, number> {
  return Object.fromEntries(words.split(' ').map((word) => [word, weight]));
}

/** −1 (bad) to 1 (good); 0 for a headline without a word that says something. */
export function scoreHeadline(headline: string): number {
  const words = headline.toLowerCase().match(/[a-z']+/g) ?? [];
  const found = words.flatMap((word, index) => {
    const weight = Object.hasOwn(LEXICON, word) ? (LEXICON[word] ?? 0) : 0;
    if (weight === 0) return [];
    const negated = words.slice(Math.max(0, index - NEGATION_REACH), index).some((before) => NEGATIONS.has(before));
    return [negated ? -weight : weight];
  });
  return found.length === 0 ? 0 : round(found.reduce((sum, weight) => sum + weight, 0) / found.length);
}

/** Mean of the scores of a day, newer ones weighing more. */
export function sentimentOf(news: readonly { readonly score: number; readonly tsMs: number }[], nowMs: number): number {
  let sum = 0;
  let total = 0;
  for (const { score, tsMs } of news) {
    const ageMs = nowMs - tsMs;
    if (ageMs < 0 || ageMs > NEWS_SPAN_MS) continue;
    const weight = 0.5 ** (ageMs / HALF_LIFE_MS);
    sum += weight * score;
    total += weight;
  }
  return total === 0 ? 0 : round(sum / total);
}

export function sentimentLabel(score: number): 'bullish' | 'neutral' | 'bearish' {
  return score >= LABEL_FROM ? 'bullish' : score <= -LABEL_FROM ? 'bearish' : 'neutral';
}

const round = (value: number): number => Math.round(value * 100) / 100;
