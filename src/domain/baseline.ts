/** What the same money would have become without a model: held in one asset from the first model's beginning on. */

/** Its id in series and keys, and what is held. */
export const BASELINE = { id: 'buynhold_btc', symbol: 'BTC' } as const;
