/**
 * Writes the tables of the documentation from the code, between `generated:NAME` and `/generated` lines.
 *
 *   node --import tsx scripts/docs.ts            writes the pages
 *   node --import tsx scripts/docs.ts --check    changes nothing, exits 1 when a page differs
 */

import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { arenaSchema } from '../src/config/arena.ts';
import { environmentFields } from '../src/config/environment.ts';
import { type Config, pace } from '../src/config.ts';
import { ALERTS } from '../src/domain/alerts.ts';
import { ACTION_RULES, ENTRY_RULES } from '../src/domain/guardrail-rules.ts';
import { PLACEHOLDERS } from '../src/domain/prompt-template.ts';
import { KEY_FAMILIES } from '../src/domain/published-keys.ts';
import { parseDuration } from '../src/domain/time.ts';
import { schedulesOf } from '../src/engine/slots.ts';
import { ERROR_CATALOGUE } from '../src/errors.ts';
import { CONTROL_ENDPOINTS } from '../src/http/control-endpoints.ts';
import { ENDPOINTS } from '../src/http/endpoints.ts';
import type { JobContract } from '../src/jobs/contract.ts';
import { JOBS } from '../src/jobs/registry.ts';
import { BUILTIN_STRATEGIES } from '../src/llm/builtin/index.ts';
import { projectionsOf } from '../src/projections/families.ts';
import { FAMILIES, type Family } from '../src/redis/keys.ts';
import { createMetrics } from '../src/telemetry/metrics.ts';

const REPO = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Files that hold generated parts, relative to the repository. */
export const PAGES = [
  'docs/api.md',
  'docs/configuration.md',
  'docs/decision-cycle.md',
  'docs/errors.md',
  'docs/incidents.md',
  'docs/jobs.md',
  'docs/keys.md',
  'docs/operations.md',
  '.env.example',
];

type JsonSchema = {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly default?: unknown;
  readonly format?: string;
  readonly pattern?: string;
  readonly maxLength?: number;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
};

/** What `generated:NAME` stands for. */
const PARTS: Readonly<Record<string, () => string>> = {
  environment: environmentTable,
  'env-example': envExample,
  arena: arenaTable,
  strategies: () =>
    table(
      ['strategy', 'what it does'],
      Object.entries(BUILTIN_STRATEGIES).map(([name, { description }]) => [code(name), description]),
    ),
  placeholders: () =>
    table(
      ['place', 'what stands there'],
      Object.entries(PLACEHOLDERS).map(([name, meaning]) => [code(`{{${name}}}`), meaning]),
    ),
  guardrails: guardrailTable,
  alerts: () =>
    table(
      ['alert', 'of a', 'severity', 'meaning'],
      Object.entries(ALERTS).map(([name, { severity, of, meaning }]) => [
        `[${code(name)}](#${name})`,
        of,
        severity,
        meaning,
      ]),
    ),
  endpoints: endpointTables,
  controls: controlTable,
  errors: errorTable,
  keys: keyTable,
  jobs: jobTable,
  payloads: payloadTables,
  schedules: scheduleTable,
  metrics: metricTable,
};

/** The page as it should be. Throws when it names a part that does not exist, or when the code holds something undescribed. */
export function render(page: string): string {
  return page.replace(
    /^(.*[^/]generated:([a-z-]+).*\n)[\s\S]*?^(.*\/generated.*)$/gm,
    (_, head: string, name: string, end: string) => {
      const part = PARTS[name];
      if (part === undefined) throw new Error(`no generated part "${name}"`);
      return head.startsWith('#') ? `${head}${part()}\n${end}` : `${head}\n${part()}\n\n${end}`;
    },
  );
}

/** Pages that differ from what the code says. */
export function stalePages(): string[] {
  return PAGES.filter((page) => {
    const text = readFileSync(path.join(REPO, page), 'utf8');
    return render(text) !== text;
  });
}

const code = (text: string): string => `\`${text}\``;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

// Environment ----------------------------------------------------------------------------------------------------------

type Variable = { readonly name: string; readonly fallback: string | null; readonly allowed: string; meaning: string };

function variables(): Variable[] {
  return Object.entries(environmentFields).map(([name, field]: [string, z.ZodType]) => {
    const parsed = field.safeParse(undefined);
    const schema = z.toJSONSchema(field, { io: 'output', unrepresentable: 'any' }) as JsonSchema;
    if (field.description === undefined) throw new Error(`environment variable ${name} has no description`);
    return {
      name,
      // What a value is made into says nothing about how to write it.
      fallback:
        parsed.success && parsed.data !== undefined && typeof parsed.data !== 'object' ? String(parsed.data) : null,
      allowed: allowed(schema),
      meaning: field.description,
    };
  });
}

function environmentTable(): string {
  return table(
    ['variable', 'default', 'allowed', 'meaning'],
    variables().map((v) => [code(v.name), v.fallback === null ? 'unset' : code(v.fallback), v.allowed, v.meaning]),
  );
}

function envExample(): string {
  return variables()
    .map((v) => `\n# ${v.meaning}${v.fallback === null ? ' Default: unset.' : ''}\n#${v.name}=${v.fallback ?? ''}`)
    .join('\n');
}

/** Type and limits of a value, in words. */
function allowed(schema: JsonSchema): string {
  if (schema.anyOf) return schema.anyOf.map(allowed).join(' or ');
  if (schema.const !== undefined) return String(schema.const);
  if (schema.enum) return schema.enum.map((value) => code(String(value))).join(', ');
  const limits: string[] = [];
  if (schema.exclusiveMinimum !== undefined) limits.push(`above ${schema.exclusiveMinimum}`);
  if (schema.minimum !== undefined) limits.push(`at least ${schema.minimum}`);
  // Zod bounds every integer; that bound is nobody's limit.
  if (schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER)
    limits.push(`at most ${schema.maximum}`);
  if (schema.pattern !== undefined) limits.push(code(schema.pattern));
  else if (schema.maxLength !== undefined) limits.push(`at most ${schema.maxLength} characters`);
  const type = schema.format === 'uri' ? 'address' : schema.items ? 'list' : (schema.type ?? 'any');
  return limits.length === 0 ? type : `${type}, ${limits.join(', ')}`;
}

// Arena file -----------------------------------------------------------------------------------------------------------

/** `min`: the field is a duration, and this is the shortest one allowed. */
type FieldDoc = { readonly meaning: string; readonly min?: string };

const pacesOf = (kind: string): Record<string, FieldDoc> => ({
  [`paces.${kind}.price`]: { meaning: `\`schedules.price\` of a ${kind} run.`, min: '100ms' },
  [`paces.${kind}.decision`]: { meaning: `\`schedules.decision\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.snapshot`]: { meaning: `\`schedules.snapshot\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.analytics`]: { meaning: `\`schedules.analytics\` of a ${kind} run.`, min: '1s' },
  [`paces.${kind}.spread`]: { meaning: `\`schedules.spread\` of a ${kind} run.`, min: '0s' },
});

const ARENA_FIELDS: Record<string, FieldDoc> = {
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
/** Who trades for the desk is described like a model of the arena. */
const TRADER = 'equities.trader.';

const PLAIN_MODEL = { id: 'm', strategy: 'buy-and-hold' };
const ENDPOINT_MODEL = { id: 'm', endpoint: { baseUrl: 'http://127.0.0.1:1/v1', model: 'm' } };

function arenaTable(): string {
  const schema = z.toJSONSchema(arenaSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const leaves = leavesOf(schema, '', true).filter(({ path: field }) => !field.startsWith(TRADER));
  const undescribed = leaves.filter((leaf) => ARENA_FIELDS[leaf.path] === undefined).map((leaf) => leaf.path);
  const unknown = Object.keys(ARENA_FIELDS).filter((field) => !leaves.some((leaf) => leaf.path === field));
  if (undescribed.length + unknown.length > 0)
    throw new Error(`arena fields without a description: ${undescribed}; descriptions without a field: ${unknown}`);
  const defaults = arenaSchema.parse({ models: [ENDPOINT_MODEL] });
  return table(
    ['field', 'default', 'allowed', 'meaning'],
    leaves.map((leaf) => {
      const doc = ARENA_FIELDS[leaf.path] ?? { meaning: '' };
      const value = leaf.required ? undefined : valueAt(defaults, leaf.path);
      const fallback = value === undefined ? (leaf.required ? '(required)' : 'none') : code(shown(value, doc));
      return [
        code(leaf.path),
        fallback,
        doc.min ? durationLimit(leaf.path, doc.min) : allowed(leaf.schema),
        doc.meaning,
      ];
    }),
  );
}

type Leaf = { readonly path: string; readonly schema: JsonSchema; readonly required: boolean };

/** A field counts as required when it is so in every object on the way to it. */
function leavesOf(schema: JsonSchema, at: string, required: boolean): Leaf[] {
  // A list of plain values is one field.
  if (schema.items?.properties) return leavesOf(schema.items, `${at}[]`, required);
  if (!schema.properties) return [{ path: at, schema, required }];
  return Object.entries(schema.properties).flatMap(([name, inner]) =>
    leavesOf(
      inner,
      at === '' ? name : `${at}.${name}`,
      schema.default === undefined && (schema.required ?? []).includes(name),
    ),
  );
}

function valueAt(root: unknown, field: string): unknown {
  return field
    .replaceAll('[]', '.0')
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], root);
}

function shown(value: unknown, doc: FieldDoc): string {
  if (typeof value === 'object') return JSON.stringify(value);
  return doc.min === undefined ? String(value) : durationText(Number(value));
}

function durationText(ms: number): string {
  for (const [unit, size] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
  ] as const)
    if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms}ms`;
}

/** Says the shortest duration, after trying that it is accepted and a shorter one is not. */
function durationLimit(field: string, min: string): string {
  const ms = parseDuration(min) ?? 0;
  const accepts = (text: string) => arenaSchema.safeParse(arenaWith(field, text)).success;
  if (!accepts(min) || accepts(`${ms - 1}ms`)) throw new Error(`the shortest ${field} is not ${min}`);
  return `duration, at least ${code(min)}`;
}

function arenaWith(field: string, value: string): object {
  const arena: Record<string, unknown> = {
    schedules: { price: '1s', decision: '3m', snapshot: '5m', analytics: '1h' },
    paces: {},
    alerts: {},
    retention: {},
    gaps: {},
    guardrails: {},
    equities: { schedules: {} },
    models: [structuredClone(field.includes('endpoint') ? ENDPOINT_MODEL : PLAIN_MODEL)],
  };
  const names = field.replaceAll('[]', '.0').split('.');
  const last = names.pop() ?? '';
  const parent = names.reduce((inner, name) => {
    inner[name] ??= {};
    return inner[name] as Record<string, unknown>;
  }, arena);
  parent[last] = value;
  return arena;
}

// Guardrails -----------------------------------------------------------------------------------------------------------

function guardrailTable(): string {
  const { guardrails } = arenaSchema.parse({ models: [PLAIN_MODEL] });
  const shownDefault = (field: string): string => {
    const name = `guardrails.${field}`;
    return `${code(field)} ${code(shown(valueAt({ guardrails }, name), ARENA_FIELDS[name] ?? { meaning: '' }))}`;
  };
  return table(
    ['code', 'refused because', 'set by, with its default'],
    [
      ...ENTRY_RULES.map(({ code: name, meaning, fields }) => [
        code(name),
        meaning,
        fields.map(shownDefault).join(', '),
      ]),
      ...ACTION_RULES.map(({ code: name, meaning }) => [code(name), meaning, '']),
    ],
  );
}

// Errors ---------------------------------------------------------------------------------------------------------------

function errorTable(): string {
  return table(
    ['code', 'tried again', 'HTTP', 'meaning'],
    Object.entries(ERROR_CATALOGUE).map(([name, entry]) => [
      code(name),
      entry.retryable ? 'yes' : 'no',
      String(entry.status),
      entry.meaning,
    ]),
  );
}

// Redis keys -----------------------------------------------------------------------------------------------------------

/** The ids a family's pattern takes, and what its value holds. A family without an entry does not compile. */
const KEY_DOCS: Readonly<Record<Family, { readonly ids: readonly string[]; readonly value: string }>> = {
  priceLatest: { ids: ['symbol'], value: "`{symbol, price, timestamp}` (ms) of the run's own market" },
  priceLatestByProvider: { ids: ['provider', 'symbol'], value: '`{price, ts_ms}`' },
  cryptoPrices: { ids: [], value: 'field `{provider}:{symbol}` → `{symbol, price, timestamp}`' },
  marketAsset: {
    ids: ['provider', 'symbol'],
    value: 'precision, size decimals, highest leverage and state of an instrument',
  },
  marketCtx: {
    ids: ['provider', 'symbol'],
    value: 'price, funding, open interest, 1 h and 4 h change and indicators, as of the last full 10 s of market time',
  },
  marketFrame: { ids: ['slot_ms'], value: '`{digest, frame}`: what every model of the slot saw' },
  positions: { ids: ['model_id'], value: 'field symbol → open position, marked to market when it was written' },
  tradesRecent: { ids: ['model_id'], value: 'newest closed trades, newest first' },
  leaderboard: { ids: [], value: 'member model id, score return in percent' },
  leaderboardCache: { ids: [], value: '`{leaderboard: […]}`, ranked' },
  sinceInception: { ids: ['model_id'], value: 'equity curve `{timestamp, value}`, oldest first, about 500 points' },
  analytics: { ids: ['model_id'], value: 'analytics of a model' },
  analyticsAll: { ids: [], value: '`{analytics: […]}` of all models' },
  conversations: { ids: ['model_id'], value: 'newest messages of a model' },
  decisionLast: { ids: ['model_id'], value: 'last finished cycle: number, slot, success, headline action, error' },
  traderState: { ids: ['model_id'], value: '`{state, last_decision_at, pause_until}`' },
  simOrders: { ids: ['model_id'], value: 'open orders at the paper exchange' },
  simBalances: { ids: ['model_id'], value: 'balances at the paper exchange' },
  seasons: {
    ids: [],
    value: '`{seasons: […]}`, newest first; the final ranking of a frozen one, the present one of the open one',
  },
  stockPrice: { ids: ['symbol'], value: 'last price, and open, extremes and volume of the session' },
  stockIndicators: { ids: ['symbol'], value: 'RSI, MACD and Bollinger bands on minute bars' },
  stockSentiment: { ids: ['symbol'], value: 'score, label and newest headlines' },
  watchlist: { ids: [], value: 'symbols, best first' },
  candidates: { ids: [], value: 'candidates with score and signals, best first' },
  stockPosition: { ids: ['symbol'], value: 'open position, marked to market' },
  stockMonitoring: { ids: ['symbol'], value: 'newest look at an open position' },
  stockSignal: { ids: ['entry or exit', 'symbol'], value: 'newest signal of the session' },
  systemState: { ids: [], value: 'state of the desk and of its market' },
  performance: { ids: [], value: 'what the newest session has brought' },
  marketContext: { ids: [], value: 'sectors, breadth, volatility, regime' },
};

const PRICE_FAMILIES: readonly Family[] = ['priceLatest', 'priceLatestByProvider', 'cryptoPrices'];

function keyTable(): string {
  return table(
    ['family', 'key', 'type', 'lifetime', 'lock', 'written by', 'value'],
    KEY_FAMILIES.map((family) => {
      const { pattern, type, ttl, locked } = FAMILIES[family];
      const prefix = 'desk' in FAMILIES[family] ? '<desk prefix>' : '<prefix>:';
      const { ids, value } = KEY_DOCS[family];
      if (pattern.split('{}').length - 1 !== ids.length) throw new Error(`${family}: ids do not fit ${pattern}`);
      let next = 0;
      const key = `${prefix}${pattern.replace(/\{\}/g, () => `{${ids[next++]}}`)}`;
      const seconds =
        environmentFields[`NOF0_TTL_${ttl.toUpperCase()}` as keyof typeof environmentFields].parse(undefined);
      return [family, code(key), type, `${ttl}, ${seconds} s`, locked ? 'yes' : 'no', writer(family), value];
    }),
  );
}

function writer(family: Family): string {
  if (PRICE_FAMILIES.includes(family)) return 'price keys';
  return projectionsOf('equities').some((projection) => projection.family === family)
    ? 'projection'
    : 'nothing (name reserved)';
}

// Jobs -----------------------------------------------------------------------------------------------------------------

const CONTRACTS = Object.values(JOBS) as unknown as readonly JobContract[];
const SAMPLE = { provider: 'synthetic', modelId: 'my-model', slotMs: 1_753_185_600_000, asOfMs: 1_753_185_600_000 };

function jobTable(): string {
  return table(
    [
      'job',
      'runs',
      'attempts',
      'backoff',
      'timeout',
      'at a time, a process',
      'kept: completed / failed',
      'what it does',
    ],
    CONTRACTS.map((job) => [
      code(job.name),
      job.runs,
      String(job.attempts),
      `${durationOrMs(job.backoff.baseMs)} to ${durationOrMs(job.backoff.capMs)}`,
      durationOrMs(job.timeoutMs),
      job.concurrency === undefined ? '`NOF0_CONCURRENCY`' : String(job.concurrency),
      `${job.keep.completed} / ${job.keep.failed}`,
      job.summary,
    ]),
  );
}

function durationOrMs(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

function payloadTables(): string {
  return CONTRACTS.map((job) => {
    const schema = z.toJSONSchema(job.payload, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    const fields = Object.entries(schema.properties ?? {});
    const rows = fields.map(([name, field]) => [
      code(name),
      allowed(field),
      field.default === undefined
        ? '(required)'
        : code(Array.isArray(field.default) ? JSON.stringify(field.default) : String(field.default)),
    ]);
    const own = Object.fromEntries(Object.entries(SAMPLE).filter(([name]) => name in (schema.properties ?? {})));
    const identities = [own, { ...own, slotMs: null }]
      .map((payload) => job.payload.safeParse(payload))
      .flatMap((parsed) => (parsed.success ? [code(job.identity(parsed.data))] : []));
    return [
      `### ${job.name}`,
      table(['field', 'allowed', 'default'], rows),
      `Payload version ${job.version}. Identity: ${[...new Set(identities)].join(', without a slot ')}.${overlap(job, own)}`,
    ].join('\n\n');
  }).join('\n\n');
}

/** The key whose runs do not overlap, of a sample payload. */
function overlap(job: JobContract, payload: object): string {
  const parsed = job.payload.safeParse(payload);
  const key = parsed.success ? job.exclusive?.(parsed.data) : undefined;
  return key === undefined ? '' : ` Never overlapping: ${code(key)}.`;
}

function scheduleTable(): string {
  const arena = arenaSchema.parse({ models: [{ ...PLAIN_MODEL, id: 'model_id' }] });
  const schedules = pace(arena, 'synthetic');
  const usual = schedulesOf({ arena } as Config, schedules, 'provider', false);
  const replay = schedulesOf({ arena } as Config, schedules, 'provider', true);
  return table(
    ['schedule', 'job', 'interval', 'missed slots in real time', 'in a replay'],
    usual.map((schedule, index) => [
      code(schedule.name.replace(/:(.*)/, ':{$1}')),
      code(schedule.job),
      code(`schedules.${schedule.job.replace(/^price-ingest$/, 'price').replace(/^decision-cycle$/, 'decision')}`),
      schedule.policy,
      replay[index]?.policy ?? '',
    ]),
  );
}

// Metrics --------------------------------------------------------------------------------------------------------------

function metricTable(): string {
  const { registry, ...metrics } = createMetrics(false);
  registry.clear();
  return table(
    ['metric', 'kind', 'labels', 'meaning'],
    Object.values(metrics).map((metric) => {
      const { name, help, labelNames } = metric as unknown as { name: string; help: string; labelNames: string[] };
      return [code(name), metric.constructor.name.toLowerCase(), labelNames.map(code).join(', '), help];
    }),
  );
}

// Command --------------------------------------------------------------------------------------------------------------

function main(args: readonly string[]): void {
  const stale = stalePages();
  if (args.includes('--check')) {
    for (const page of stale) process.stderr.write(`${page} is not what the code says; run this without --check\n`);
    process.exitCode = stale.length > 0 ? 1 : 0;
    return;
  }
  for (const page of stale) {
    const file = path.join(REPO, page);
    writeFileSync(file, render(readFileSync(file, 'utf8')));
    process.stdout.write(`wrote ${page}\n`);
  }
}

if (process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  main(process.argv.slice(2));

// API ------------------------------------------------------------------------------------------------------------------

function endpointTables(): string {
  const queries = ENDPOINTS.flatMap(({ path: address, query }) =>
    fieldsOf(query).map(([name, meaning]) => [code(`/api${address}`), code(name), meaning]),
  );
  return [
    table(
      ['address', 'answers with', 'fields'],
      ENDPOINTS.map(({ path: address, about, answer, serverTime }) => {
        const names = [...Object.keys(answer.shape), ...(serverTime ? ['serverTime'] : [])];
        return [code(`/api${address}`), about, names.map(code).join(', ')];
      }),
    ),
    table(['address', 'parameter', 'meaning'], queries),
  ].join('\n\n');
}

function controlTable(): string {
  return table(
    ['`POST`', 'does', 'body'],
    CONTROL_ENDPOINTS.map(({ path: address, about, body }) => [
      code(`/api/control${address}`),
      about,
      fieldsOf(body)
        .map(([name]) => code(name))
        .join(', '),
    ]),
  );
}

/** Names and meanings of an object's fields. */
function fieldsOf(schema: z.ZodObject): [name: string, meaning: string][] {
  return Object.entries(schema.shape as Record<string, z.ZodType>).map(([name, field]) => [
    name,
    field.description ?? '',
  ]);
}
