/** What the model of the equities desk is told: signals to confirm, and what speaks for and against them, in the words of stocks. */

import type { DecisionContext, FrameAsset, MarketFrame, PositionView } from '../domain/decision.ts';
import type { DeskPackage } from '../domain/desk/package.ts';
import { sentimentLabel } from '../domain/desk/sentiment.ts';
import { symbolLimits } from '../domain/limits.ts';
import { indicatorLine, money, number, type PromptParts, percent, percentOr, when } from './prompt-parts.ts';

export function deskParts(context: DecisionContext, frame: MarketFrame, desk: DeskPackage): PromptParts {
  const stocks = stocksOf(context, frame, desk);
  return {
    session: sessionLine(desk, context.slotMs),
    signals: orNone(signalLines(desk)),
    account: accountLines(context).join('\n'),
    positions: orNone(context.positions.map((position) => positionLine(position, context.slotMs))),
    monitoring: orNone(Object.entries(desk.monitoring).map(monitoringLine)),
    market: orNone(priceLines(stocks, context, frame.barIntervalMs)),
    sentiment: orNone(
      Object.entries(desk.sentiment).map(
        ([symbol, { score, newsCount }]) =>
          `${symbol} ${score} (-1 to 1, ${sentimentLabel(score)}) of ${newsCount} headlines`,
      ),
    ),
    market_context: contextLine(desk),
    symbols: stocks.map(({ symbol }) => symbol).join(', '),
    limits: limitLines(context).join('\n'),
    answer_format: ANSWER_FORMAT,
  };
}

const orNone = (lines: readonly string[]): string => (lines.length === 0 ? 'none' : lines.join('\n'));

const ANSWER_FORMAT = `Answer with one JSON object and nothing else:
{
  "reasoning": "what you see in the market and in your positions",
  "decisions": [
    {
      "symbol": "AAPL",
      "action": "open_long",
      "position_size_usd": 15000,
      "entry_price": 150,
      "stop_loss": 148.5,
      "take_profit": 153,
      "confidence": 0.7,
      "risk_usd": 150,
      "reasoning": "why",
      "invalidation_condition": "what would prove this wrong"
    }
  ]
}
action is open_long (buy), close_long (sell all of it) or hold. symbol, action and confidence (0 to 1) are always required. The
numbers above are an example of the format, not advice. An empty list of decisions means that every signal is passed over.`;

/** The stocks that a signal, a candidate or a position names: of the others nothing is asked. */
function stocksOf({ positions }: DecisionContext, { assets }: MarketFrame, desk: DeskPackage): FrameAsset[] {
  const named = new Set([...desk.signals, ...desk.candidates, ...positions].map(({ symbol }) => symbol));
  return Object.values(assets)
    .filter(({ symbol }) => named.has(symbol))
    .sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
}

function sessionLine({ session: { day, closeMs, mayEnter } }: DeskPackage, slotMs: number): string {
  const left = Math.max(0, Math.round((closeMs - slotMs) / 60_000));
  return `Session ${day}, closes ${when(closeMs)}, in ${left} min; ${mayEnter ? 'entries are allowed' : 'no entries now'}.`;
}

function signalLines({ signals, candidates }: DeskPackage): string[] {
  const ranked = candidates.map(({ symbol, score, signals: seen }) => `${symbol} ${score} (${seen.join(', ')})`);
  return [
    ...signals.map(
      ({ type, symbol, reason, price, confidence }) =>
        `- ${type} ${symbol}: ${reason} at ${price}, confidence ${confidence}`,
    ),
    ...(ranked.length === 0 ? [] : [`Ranked candidates: ${ranked.join('; ')}`]),
  ];
}

function accountLines({ account, positions, limits }: DecisionContext): string[] {
  const { initialEquityUsd, equityUsd, availableUsd } = account;
  const total = initialEquityUsd > 0 ? ` (${percent(equityUsd / initialEquityUsd - 1)} since the start)` : '';
  return [
    `equity ${money(equityUsd)}${total}`,
    `cash to buy with ${money(availableUsd)}`,
    `positions ${positions.length} of ${limits.maxPositions}`,
  ];
}

function positionLine(position: PositionView, slotMs: number): string {
  return [
    `${position.symbol} ${Math.abs(position.quantity)} shares ${position.quantity < 0 ? 'short' : 'long'} at ${position.entryPrice}, now ${position.markPrice}`,
    `unrealized ${money(position.unrealizedPnlUsd)}`,
    `stop ${position.stopLoss ?? 'none'}`,
    `target ${position.takeProfit ?? 'none'}`,
    `held for ${Math.round((slotMs - position.entryTsMs) / 60_000)} min`,
  ].join('; ');
}

function monitoringLine([symbol, look]: [string, DeskPackage['monitoring'][string]]): string {
  const { rsi_1m: rsi, macd_5m: macd, support_resistance: level } = look.technical_signals;
  const distance = ({ value, distance: far }: typeof look.stop_loss) => (value === null ? 'none' : `${value} (${far})`);
  return [
    `${symbol}: RSI of minutes ${rsi.value ?? '-'} (${rsi.signal})`,
    `MACD histogram of five minutes ${macd.value ?? '-'} (${macd.signal})`,
    `next level ${level.next_level ?? '-'} (${level.type})`,
    `target ${distance(look.profit_target)}`,
    `stop ${distance(look.stop_loss)}`,
    `in trade ${look.time_in_trade}`,
  ].join('; ');
}

function priceLines(stocks: readonly FrameAsset[], { limits }: DecisionContext, barIntervalMs: number): string[] {
  if (stocks.length === 0) return [];
  const rows = stocks.map((stock) => {
    const { minUsd, maxUsd } = symbolLimits(limits, stock);
    const cells = [
      ...[stock.symbol, String(stock.price), percentOr(stock.change1h), percentOr(stock.change4h)],
      `${minUsd.toFixed(2)} to ${maxUsd.toFixed(2)}`,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    ...['| symbol | price USD | 1h | 4h | entry USD |', '|---|---|---|---|---|', ...rows, ''],
    `Indicators and closes are of closed ${barIntervalMs / 60_000}-minute bars; - means not known yet.`,
    ...stocks.map(indicatorLine),
  ];
}

function contextLine({ context }: DeskPackage): string {
  if (context === null) return 'not known yet';
  const { sector_performance: sectors, market_breadth: breadth, vix, market_regime: regime } = context;
  const moved = Object.entries(sectors)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, change]) => `${name} ${change} %`);
  return [
    `regime ${regime}`,
    `volatility index ${vix}`,
    `advancing ${breadth.advancing}, declining ${breadth.declining}, unchanged ${breadth.unchanged}`,
    `sectors since the last close: ${moved.join(', ') || 'none'}`,
  ].join('; ');
}

/** What the guardrails hold an entry to, as far as stocks have it. */
function limitLines({ limits, history, slotMs }: DecisionContext): string[] {
  const resting = history.cooldowns.filter(({ untilMs }) => slotMs < untilMs);
  return [
    `- at most ${limits.maxPositions} open positions; ${limits.allowAdd ? 'adding to one is allowed' : 'no entry in a stock that is held'}`,
    `- confidence at least ${limits.minConfidence}`,
    `- stop between ${percent(limits.minStopDistance)} and ${percent(limits.maxStopDistance)} away from the price`,
    `- target at least ${limits.minRewardRisk} times as far from the price as the stop`,
    `- at most ${percent(limits.maxRiskPerTrade)} of the equity lost when the stop is met`,
    ...(limits.minVolume24hUsd > 0 ? [`- volume of 24 h at least ${number(limits.minVolume24hUsd)} USD`] : []),
    ...resting.map(({ symbol, untilMs }) => `- ${symbol} was sold a short while ago: no entry until ${when(untilMs)}`),
    ...(history.pause !== null && slotMs < history.pause.untilMs
      ? [`- no entries at all until ${when(history.pause.untilMs)}`]
      : []),
  ];
}
