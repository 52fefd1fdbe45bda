/** What every field of the arena file means. */

/** `min`: the field is a duration, and this is the shortest one allowed. */
export type FieldDoc = { readonly meaning: string; readonly min?: string };

const pacesOf = (kind: string): Record<string, FieldDoc> => ({
  [`paces.${kind}.price`]: { meaning: `\`schedules.price\` of a ${kind} run.`, min: '100ms' },
  [`paces.${kind}.decision`]: { meaning: `\`schedules.decision\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.snapshot`]: { meaning: `\`schedules.snapshot\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.analytics`]: { meaning: `\`schedules.analytics\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.spread`]: { meaning: `\`schedules.spread\` of a ${kind} run.`, min: '0s' },
});

export const ARENA_FIELDS: Record<string, FieldDoc> = {
  seed: { meaning: 'Every random number of a run is a hash that begins with it. `nof0 up --seed` overrides it.' },
  barInterval: { meaning: 'Length of the bars that indicators are computed on.', min: '1m' },
  history: { meaning: 'How much history the synthetic market invents before its first tick.', min: '1m' },
  'schedules.price': { meaning: 'How often prices are fetched.', min: '100ms' },
  'schedules.decision': { meaning: 'How often a model decides; slots are aligned to the UTC clock.', min: '1s' },
  'schedules.snapshot': { meaning: 'How often the equity of a model is recorded.', min: '1s' },
  'schedules.analytics': {
    meaning: 'How often analytics are computed without a trade causing it.',
    min: '1s',
  },
  'schedules.spread': {
    meaning: 'Over how much of its interval the starts of decisions are spread; their slots are not.',
    min: '0s',
  },
  ...pacesOf('synthetic'),
  ...pacesOf('replay'),
  ...pacesOf('hyperliquid'),
  'hyperliquid.symbols': {
    meaning: 'What is traded on Hyperliquid, by its names. One that it does not list is told and left out.',
  },
  'maintenance.relayEffects': {
    meaning: 'When effects that nobody drains are taken over, cron in UTC. Only in real time, like the other tasks.',
  },
  'maintenance.pruneRuns': { meaning: 'When run history older than its retention is deleted.' },
  'maintenance.checkConsistency': { meaning: 'When published keys are compared with Postgres and repaired.' },
  'maintenance.warmCache': { meaning: 'When every key is written, so that no reader meets an empty cache.' },
  'maintenance.guardPositions': { meaning: 'When positions without a live stop are looked for, and given it back.' },
  'maintenance.refreshViews': {
    meaning: 'When the materialized views are refreshed. A replay refreshes them at its end.',
  },
  'maintenance.fillGaps': {
    meaning: 'When a market that can be asked for its past is asked for candles that are missing.',
  },
  'gaps.candlesPerRun': { meaning: 'Missing candles that one run of that task asks for at most.' },
  'maintenance.makePartitions': { meaning: 'When the partitions of coming days are made.' },
  'maintenance.archive': { meaning: 'When days of rows older than their retention go into files, see operations.' },
  'retention.ticks': {
    meaning: 'How long ticks stay in their table, market time, before they are archived.',
    min: '24h',
  },
  'retention.contexts': { meaning: 'The same for contexts of instruments.', min: '24h' },
  'retention.candles': { meaning: 'The same for candles.', min: '24h' },
  'retention.frames': { meaning: 'The same for market frames.', min: '24h' },
  'retention.decisions': { meaning: 'The same for decision cycles with their conversations.', min: '24h' },
  'retention.desk': {
    meaning:
      'How long what the equities desk has seen stays in the tables: signals, looks at closed positions, scans, headlines, sentiment, descriptions of the market.',
    min: '24h',
  },
  'retention.journal': { meaning: 'How long a journal file stays after it was written, wall time.', min: '1m' },
  'retention.partitionsAhead': { meaning: 'For how long ahead partitions of ticks are made.', min: '0s' },
  'retention.jobRuns': { meaning: 'How long run history is kept, wall time.', min: '1m' },
  'paper.takerFeeBps': { meaning: 'Fee of what takes liquidity, basis points of the notional: the base tier.' },
  'paper.makerFeeBps': { meaning: 'Fee of what gives liquidity: the base tier.' },
  'paper.feeTiers[].fromVolumeUsd': {
    meaning:
      "USD traded in the 14 UTC days before today from which on the tier holds. Default tiers: Hyperliquid's, from 5 million on.",
  },
  'paper.feeTiers[].takerFeeBps': { meaning: 'Fee of what takes liquidity in this tier.' },
  'paper.feeTiers[].makerFeeBps': { meaning: 'Fee of what gives liquidity in this tier.' },
  'paper.slippageBps': {
    meaning: 'What a fill that takes liquidity pays beyond the price it meets where no book is known, basis points.',
  },
  'paper.liquidationFeeBps': { meaning: "What a liquidation costs beyond the taker's fee." },
  'paper.marginTiers[].symbol': {
    meaning:
      "Instrument whose large positions may have less leverage than its own maximum. Default tiers: Hyperliquid's for six coins.",
  },
  'paper.marginTiers[].fromUsd': { meaning: 'Notional beyond which the tier holds.' },
  'paper.marginTiers[].maxLeverage': {
    meaning: 'Highest leverage in this tier; the maintenance margin is half of what it asks.',
  },
  'guardrails.minConfidence': { meaning: 'Entries below it are rejected.' },
  'guardrails.maxPositions': { meaning: 'Most open positions of a model.' },
  'guardrails.maxMarginUsage': { meaning: 'Share of the equity that may be bound as margin after an entry.' },
  'guardrails.majors': { meaning: 'Symbols with the limits of majors; all others have those of `…Others`.' },
  'guardrails.maxLeverage': { meaning: "Highest leverage of a major; the symbol's own maximum holds too." },
  'guardrails.maxLeverageOthers': { meaning: 'Highest leverage of any other symbol.' },
  'guardrails.maxLeverageOf': {
    meaning: "Highest leverage of single symbols, instead of their class's: `{ SOL: 2 }`.",
  },
  'guardrails.minPositionUsd': { meaning: 'Smallest entry, notional USD. The paper exchange refuses less than 10.' },
  'guardrails.maxPositionUsd': { meaning: 'Largest position, notional USD.' },
  'guardrails.minPositionToEquity': { meaning: 'Smallest position, notional, as a multiple of the equity.' },
  'guardrails.maxPositionToEquity': { meaning: 'Largest position in a major, notional, as a multiple of the equity.' },
  'guardrails.maxPositionToEquityOthers': { meaning: 'The same of any other symbol.' },
  'guardrails.minVolume24hUsd': { meaning: 'Volume of 24 hours, USD, below which a symbol is not entered.' },
  'guardrails.minOpenInterestUsd': { meaning: 'Open interest, USD, below which it is not, where the market knows it.' },
  'guardrails.minStopDistance': { meaning: 'A stop nearer than this fraction of the price is rejected.' },
  'guardrails.maxStopDistance': { meaning: 'A stop farther than this fraction of the price is rejected.' },
  'guardrails.minRewardRisk': { meaning: 'Least distance of the target as a multiple of the distance of the stop.' },
  'guardrails.maxRiskPerTrade': { meaning: 'Share of the equity that an entry may lose at its stop.' },
  'guardrails.cooldown': { meaning: 'How long a symbol rests after a position in it was closed.', min: '0s' },
  'guardrails.allowAdd': { meaning: 'Whether an open position may be added to.' },
  'guardrails.allowHedge': {
    meaning:
      'Whether an entry may be against an open position. Accounts net: it reduces, closes or flips the position.',
  },
  'guardrails.maxPriceAge': { meaning: 'Age of a price at its slot above which its symbol is not entered.', min: '1s' },
  'guardrails.maxDailyLoss': {
    meaning:
      'Loss since the UTC day began, share of the equity then, from which on nothing is entered until the day ends.',
  },
  'guardrails.minSharpe': {
    meaning: 'Annualised Sharpe ratio of hourly returns below which nothing is entered for `sharpePause`.',
  },
  'guardrails.sharpeAfter': { meaning: 'Age of an account before which its Sharpe ratio is not judged.', min: '0s' },
  'guardrails.sharpePause': {
    meaning: 'How long a low Sharpe ratio pauses entries; as long again passes before it is judged anew.',
    min: '1s',
  },
  'models[].id': { meaning: 'Id of the model, unique in the file.' },
  'models[].name': { meaning: 'Display name; the id if absent.' },
  'models[].strategy': { meaning: 'A built-in strategy. Exactly one of `strategy` and `endpoint`.' },
  'models[].endpoint.baseUrl': { meaning: 'Base address of an OpenAI-compatible API, without `/chat/completions`.' },
  'models[].endpoint.model': { meaning: 'Name of the model at that address.' },
  'models[].endpoint.apiKeyEnv': {
    meaning: 'Name of the environment variable that holds the key. It must be set in every process of the run.',
  },
  'models[].endpoint.prompt': {
    meaning: 'File with the wording of the prompt, relative to the arena file; `config/prompts/decision.md` if absent.',
  },
  'models[].endpoint.temperature': { meaning: "Sampling temperature; the endpoint's own if absent." },
  'models[].endpoint.maxCompletionTokens': { meaning: 'Most tokens of one answer; reserved from the budget.' },
  'models[].endpoint.reasoningEffort': {
    meaning: "How hard a reasoning model thinks, in the endpoint's words (`low`, `high`); not sent if absent.",
  },
  'models[].endpoint.timeout': {
    meaning: 'Longest time one question may take, from the connection to the last byte. At most 80 s.',
    min: '100ms',
  },
  'models[].endpoint.cache': {
    meaning: 'Whether answers are remembered and given again, at no cost, to the same question; in replays if absent.',
  },
  'models[].endpoint.retries': {
    meaning:
      'Calls beyond the first, in one slot, to an endpoint that did not answer. Each is reserved from the budget.',
  },
  'models[].endpoint.promptUsdPerMillionTokens': { meaning: 'Price of prompt tokens, for cost and budget.' },
  'models[].endpoint.completionUsdPerMillionTokens': { meaning: 'Price of completion tokens, for cost and budget.' },
  'models[].live.address': { meaning: "The model's account at the real exchange, not its agent's. Live trading only." },
  'models[].live.keyEnv': {
    meaning: "Name of the environment variable that holds the private key of the account's agent. One a model.",
  },
  'models[].live.isVault': { meaning: "The address is a sub-account or a vault that the agent's owner leads." },
  'models[].initialEquityUsd': { meaning: 'Cash of the account when it is opened. Later changes have no effect.' },
  'alerts.resolveAfter': { meaning: 'How long nothing must have been seen of it before an alert is over.', min: '1s' },
  'alerts.coolDown': {
    meaning: 'An alert that comes back sooner after its last message is held back so long.',
    min: '0ms',
  },
  'alerts.repeat': { meaning: 'How often people are reminded of an alert that lasts.', min: '1m' },
  'alerts.slotLag': {
    meaning: 'How long a due slot may wait to be enqueued, and a due job to be begun, before people are told.',
    min: '1s',
  },
  'alerts.missedDecisions': { meaning: 'Slots without a decision before people are told.' },
  'alerts.endpointFailures': { meaning: 'Cycles in a row that an endpoint did not answer before people are told.' },
  'alerts.processSilence': {
    meaning: 'How long a process may be silent before it is lost; it speaks every 15 s.',
    min: '45s',
  },
  'alerts.minDiskFree': { meaning: 'Free share of the disk of the data folder below which people are told.' },
  'maintenance.checkAlerts': { meaning: 'Looking whether anything is wrong that people must know.' },
  journal: {
    meaning: 'Whether each finished decision cycle is also written to a JSON file of its own, see operations.',
  },
  'breakers.dailyLoss': {
    meaning:
      'Loss of a UTC market day, as a fraction of the equity without it, that pauses a trader until the next day; `null`: never.',
  },
  'breakers.drawdown': {
    meaning:
      'Loss since the highest equity, as a fraction of it, that halts a trader until somebody resumes it; `null`: never.',
  },
  'models[].breakers.dailyLoss': { meaning: "Own `breakers.dailyLoss`; the arena's if absent." },
  'models[].breakers.drawdown': { meaning: "Own `breakers.drawdown`; the arena's if absent." },
  'models[].decision': { meaning: "Own decision interval; the arena's if absent.", min: '1s' },
  'models[].dailyTokens': { meaning: 'Token limit of an endpoint a UTC market day; unlimited if absent.' },
  'models[].dailyUsd': { meaning: 'Dollar limit of an endpoint a UTC market day; unlimited if absent.' },
};

const EQUITIES_FIELDS: Readonly<Record<string, FieldDoc>> = {
  universe: {
    meaning: 'Only these symbols of the feed; empty: all of them, and of `--market api` twenty well-known ones.',
  },
  sentiment: {
    meaning:
      'What scores headlines: a lexicon, or the endpoint of `trader`, within its budget. Without an endpoint, and whenever it does not answer, the lexicon does.',
  },
  sectors: { meaning: 'Sectors of stocks that the desk does not know by itself, such as `{ KO: consumer }`.' },
  'api.feed': {
    meaning: 'Of `--market api`: whose trades and quotes. `iex` is one exchange and free, `sip` all of them.',
  },
  'api.requestsPerMinute': { meaning: 'Requests a minute that the key has, for all processes of a run together.' },
  'api.sessionsBefore': { meaning: 'Sessions before the first one whose bars are fetched.' },
  day: { meaning: 'The session that the synthetic feed invents, a New York date.' },
  barInterval: { meaning: 'Bars of the screen, and of what its model sees.', min: '1m' },
  'schedules.ingest': { meaning: 'How often bars and quotes are fetched. A replay has minute bars.', min: '1s' },
  'schedules.screen': { meaning: 'How often the universe is screened.', min: '1s' },
  'schedules.monitor': { meaning: 'How often open positions are looked at.', min: '1s' },
  'schedules.news': { meaning: 'How often headlines are fetched.', min: '1s' },
  'schedules.context': { meaning: 'How often the market as a whole is described.', min: '1s' },
  'schedules.performance': { meaning: 'How often the performance of the session is counted.', min: '1s' },
  watchlist: { meaning: 'Stocks on the watchlist.' },
  candidates: { meaning: 'Ranked candidates.' },
  minScore: { meaning: 'Score from which on a candidate is an entry signal.' },
  maxPositions: { meaning: 'Most open positions.' },
  maxPositionToEquity: { meaning: 'Largest position as a share of the equity.' },
  maxDailyLoss: { meaning: 'Loss since the UTC day began from which on nothing is entered, as a share of the equity.' },
  cooldown: { meaning: 'How long a stock rests after a signal, and after a position in it was closed.', min: '0s' },
  trailing: { meaning: 'Fall from the best price that is an exit signal, once as much had been gained; a fraction.' },
  lastEntry: { meaning: 'Nothing is entered later than this before the close.', min: '0s' },
  sessionEnd: { meaning: 'From here to the close every open position is an exit signal.', min: '0s' },
  flat: {
    meaning: 'From here to the close everything is closed without asking; `null`: positions may stay overnight.',
    min: '0s',
  },
  feeBps: { meaning: 'Commission of an execution, basis points of the notional.' },
  slippageBps: { meaning: 'What a market order pays beyond the price it meets.' },
};
for (const [name, doc] of Object.entries(EQUITIES_FIELDS)) ARENA_FIELDS[`equities.${name}`] = doc;
