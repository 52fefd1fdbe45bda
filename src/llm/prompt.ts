/** The prompt of a language model: a template filled with the account and the market of a slot. */

import type { DecisionContext, FrameAsset, MarketFrame, PositionView } from '../domain/decision.ts';
import { type Limits, symbolLimits } from '../domain/limits.ts';
import { fill, type PromptTemplate } from '../domain/prompt-template.ts';
import { sha256 } from '../domain/random.ts';
import { deskParts } from './prompt-desk.ts';
import { indicatorLine, money, NO_DESK, number, type PromptParts, percent, percentOr, when } from './prompt-parts.ts';

export type RenderedPrompt = {
  readonly system: string;
  readonly user: string;
  readonly version: string;
  /** SHA-256 of version and both texts: the same digest is the same question. */
  readonly digest: string;
};

/** Renders what a model is told in one slot. The same template, context and frame always give the same text. */
export function renderPrompt(template: PromptTemplate, context: DecisionContext, frame: MarketFrame): RenderedPrompt {
  const { version } = template;
  const shared = { time: when(context.slotMs), decision_number: String(context.cycleNumber) };
  const values = {
    ...shared,
    ...(frame.desk === undefined ? arenaParts(context, frame) : deskParts(context, frame, frame.desk)),
  };
  const system = fill(template.system, values);
  const user = fill(template.user, values);
  return { system, user, version, digest: sha256(`${version}\n${system}\n${user}`) };
}

/** What a trader of perpetual futures is told. */
function arenaParts(context: DecisionContext, frame: MarketFrame): PromptParts {
  return {
    account: accountLines(context).join('\n'),
    positions: positionLines(context).join('\n'),
    market: marketLines(frame, context.limits).join('\n'),
    symbols: Object.keys(frame.assets).sort().join(', '),
    limits: limitLines(context).join('\n'),
    answer_format: ANSWER_FORMAT,
    ...NO_DESK,
  };
}

const ANSWER_FORMAT = `Answer with one JSON object and nothing else:
{
  "reasoning": "what you see in the market and in your positions",
  "decisions": [
    {
      "symbol": "BTC",
      "action": "open_long",
      "position_size_usd": 1000,
      "leverage": 2,
      "entry_price": 100000,
      "stop_loss": 98500,
      "take_profit": 103000,
      "confidence": 0.7,
      "risk_usd": 15,
      "reasoning": "why",
      "invalidation_condition": "what would prove this wrong"
    }
  ]
}
symbol, action and confidence (0 to 1) are always required. The numbers above are an example of the format, not advice.
An empty list of decisions means that everything is held.`;

const MAX_FAULTS = 20;
/** Of an answer that is sent back: enough to see what was meant. */
const MAX_SAID = 20_000;

/** Sends an answer back that was no decision, with what is wrong with it. */
export function renderRepair(
  raw: string,
  faults: readonly { readonly path: string; readonly expected: string }[],
): { readonly said: string; readonly asked: string } {
  const lines = faults.slice(0, MAX_FAULTS).map(({ path, expected }) => `- ${path || 'the answer'}: ${expected}`);
  const more = faults.length > MAX_FAULTS ? [`- and ${faults.length - MAX_FAULTS} more`] : [];
  const asked = [
    'Your answer cannot be used:',
    ...lines,
    ...more,
    '',
    'Answer again with the whole JSON object and nothing else. Numbers are JSON numbers, not text. Keep it short.',
  ];
  // An endpoint may refuse an empty message.
  return { said: raw.slice(0, MAX_SAID) || '(nothing)', asked: asked.join('\n') };
}

function accountLines({ account, positions, limits }: DecisionContext): string[] {
  const { initialEquityUsd, equityUsd, availableUsd, marginUsedUsd } = account;
  const total = initialEquityUsd > 0 ? ` (${percent(equityUsd / initialEquityUsd - 1)} since the start)` : '';
  return [
    `equity ${money(equityUsd)}${total}`,
    `available ${money(availableUsd)}, margin in use ${money(marginUsedUsd)}`,
    `positions ${positions.length} of ${limits.maxPositions}`,
  ];
}

/** What the guardrails hold an entry to, as far as it is not a matter of the symbol. */
function limitLines({ limits, history, slotMs }: DecisionContext): string[] {
  const { cooldowns, pause } = history;
  const resting = cooldowns.filter(({ untilMs }) => slotMs < untilMs);
  return [
    `- at most ${limits.maxPositions} open positions; margin in use at most ${percent(limits.maxMarginUsage)} of the equity`,
    `- confidence at least ${limits.minConfidence}; leverage is a whole number, a fraction is cut off`,
    `- stop between ${percent(limits.minStopDistance)} and ${percent(limits.maxStopDistance)} away from the price`,
    `- target at least ${limits.minRewardRisk} times as far from the price as the stop`,
    `- at most ${percent(limits.maxRiskPerTrade)} of the equity lost when the stop is met`,
    `- ${limits.allowAdd ? 'adding to a position is allowed' : 'no entry where a position of the same side is open'}`,
    `- ${limits.allowHedge ? 'an entry against an open position is allowed' : 'no entry against an open position: close it first, enter in a later decision'}`,
    `- volume of 24 h at least ${number(limits.minVolume24hUsd)} USD, open interest at least ${number(limits.minOpenInterestUsd)} USD`,
    ...resting.map(
      ({ symbol, untilMs }) => `- ${symbol} was closed a short while ago: no entry until ${when(untilMs)}`,
    ),
    ...(pause !== null && slotMs < pause.untilMs ? [`- no entries at all until ${when(pause.untilMs)}`] : []),
  ];
}

function positionLines({ positions, slotMs }: DecisionContext): string[] {
  return positions.length === 0 ? ['none'] : positions.map((position) => positionLine(position, slotMs));
}

function positionLine(position: PositionView, slotMs: number): string {
  const side = position.quantity < 0 ? 'short' : 'long';
  const minutes = Math.round((slotMs - position.entryTsMs) / 60_000);
  return [
    `${position.symbol} ${side} ${Math.abs(position.quantity)} at ${position.entryPrice}, now ${position.markPrice}`,
    `unrealized ${money(position.unrealizedPnlUsd)}`,
    `leverage ${position.leverage}`,
    `stop ${position.stopLoss ?? 'none'}`,
    `target ${position.takeProfit ?? 'none'}`,
    `open for ${minutes} min`,
  ].join('; ');
}

function marketLines(frame: MarketFrame, limits: Limits): string[] {
  const assets = Object.values(frame.assets).sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
  const minutes = frame.barIntervalMs / 60_000;
  const intro = `Indicators and closes are of closed ${minutes}-minute bars; - means not known yet.`;
  const header = '| symbol | price | 1h | 4h | funding/h | open interest | volume 24h USD | max leverage | entry USD |';
  return [
    intro,
    '',
    header,
    '|---|---|---|---|---|---|---|---|---|',
    ...assets.map((asset) => tableRow(asset, limits)),
    '',
    ...assets.map(indicatorLine),
  ];
}

function tableRow(asset: FrameAsset, limits: Limits): string {
  const own = symbolLimits(limits, asset);
  const cells = [
    asset.symbol,
    String(asset.price),
    percentOr(asset.change1h),
    percentOr(asset.change4h),
    percentOr(asset.fundingRate, 4),
    number(asset.openInterest),
    number(asset.volume24h),
    String(own.maxLeverage),
    `${own.minUsd.toFixed(2)} to ${own.maxUsd.toFixed(2)}`,
  ];
  return `| ${cells.join(' | ')} |`;
}
