/** What the model of the equities desk is told: everything about the stocks in question, in the words of stocks. */

import { describe, expect, it } from 'vitest';
import type { MarketFrame } from '../../src/domain/decision.ts';
import type { DeskPackage } from '../../src/domain/desk/package.ts';
import { renderPrompt } from '../../src/llm/prompt.ts';
import { readAnswer } from '../../src/llm/read-answer.ts';
import { asset, frameOf, position, requestOf, SLOT_MS, shippedPrompt } from './fixtures.ts';

const PROMPT = shippedPrompt('equities');

const desk: DeskPackage = {
  session: { day: '2025-07-22', openMs: SLOT_MS - 7_200_000, closeMs: SLOT_MS + 5_400_000, mayEnter: true },
  signals: [
    { type: 'exit', symbol: 'KO', reason: 'weakening', price: 62.5, confidence: 0.6 },
    { type: 'entry', symbol: 'AAPL', reason: 'breakout', price: 150.25, confidence: 0.85 },
  ],
  candidates: [{ symbol: 'MSFT', score: 0.7, signals: ['support_bounce', 'macd_cross'] }],
  sentiment: { AAPL: { score: 0.75, newsCount: 3 } },
  monitoring: {
    KO: {
      technical_signals: {
        rsi_1m: { value: 38.5, signal: 'neutral' },
        macd_5m: { value: -0.15, signal: 'weakening' },
        support_resistance: { next_level: 63.5, type: 'resistance' },
      },
      profit_target: { value: 64, distance: '2.4%' },
      stop_loss: { value: 61.5, distance: '1.6%' },
      time_in_trade: '00:27:15',
      timestamp: '2025-07-22T12:00:00.000Z',
    },
  },
  context: {
    sector_performance: { technology: 0.5, energy: -0.4 },
    market_breadth: { advancing: 12, declining: 5, unchanged: 3 },
    ...{ vix: 18.5, market_regime: 'bullish_consolidation', timestamp: '2025-07-22T12:00:00.000Z' },
  },
};
const STOCK = { sizeDecimals: 0, tickSize: 0.01, maxLeverage: 2 };
const stocks = [
  asset('AAPL', { ...STOCK, price: 150.25, change1h: 0.012, indicators: { rsi14: 61.5, macd: 0.5, ema20: 149.5 } }),
  ...['KO', 'MSFT', 'XOM'].map((symbol) => asset(symbol, { ...STOCK, price: 62.5 })),
];
const frame: MarketFrame = { ...frameOf(stocks), desk };
const { context } = requestOf({ frame, positions: [position('KO', { entryPrice: 63, markPrice: 62.5, leverage: 1 })] });
const { system, user } = renderPrompt(PROMPT, context, frame);

describe('the prompt of the equities desk', () => {
  it('says nothing of perpetual futures', () => {
    const whole = `${system}\n${user}`;
    for (const word of [
      'perpetual',
      'futures',
      'leverage',
      'funding',
      'margin',
      'open interest',
      'liquidat',
      'short',
      'BTC',
      'notional',
    ])
      expect(whole.toLowerCase(), word).not.toContain(word.toLowerCase());
    expect(whole).not.toContain('{{');
  });

  it('carries price, indicators, sentiment, monitoring and context, with the signals to confirm', () => {
    expect(user).toContain('- entry AAPL: breakout at 150.25, confidence 0.85');
    expect(user).toContain('- exit KO: weakening at 62.5, confidence 0.6');
    expect(user).toContain('Ranked candidates: MSFT 0.7 (support_bounce, macd_cross)');
    expect(user).toContain('| AAPL | 150.25 | 1.20 % | - | 10.00 to 5000.00 |');
    expect(user).toMatch(/AAPL: EMA 20\/50\/200 149.5.*MACD 0.5.*RSI 7\/14 - \/ 61.5/);
    expect(user).toContain('AAPL 0.75 (-1 to 1, bullish) of 3 headlines');
    expect(user).toContain('KO: RSI of minutes 38.5 (neutral); MACD histogram of five minutes -0.15 (weakening)');
    expect(user).toContain('target 64 (2.4%); stop 61.5 (1.6%); in trade 00:27:15');
    expect(user).toContain(
      'regime bullish_consolidation; volatility index 18.5; advancing 12, declining 5, unchanged 3',
    );
    expect(user).toContain('sectors since the last close: energy -0.4 %, technology 0.5 %');
    expect(user).toContain('KO 10 shares long at 63, now 62.5');
    expect(user).toContain('Session 2025-07-22, closes 2025-07-22T13:30:00.000Z, in 90 min; entries are allowed.');
  });

  it('shows the stocks in question and no others', () => {
    for (const symbol of ['AAPL', 'KO', 'MSFT']) expect(user).toContain(`| ${symbol} |`);
    expect(user).not.toContain('XOM');
  });

  it('is the same for the same inputs, has a version and a digest, and an example that its own schema accepts', () => {
    expect(renderPrompt(PROMPT, context, frame)).toEqual(renderPrompt(PROMPT, context, frame));
    expect(PROMPT).toMatchObject({ version: 'equities-v1', digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(readAnswer(system)).toHaveProperty('answer');
  });

  it('says none where there is nothing', () => {
    const bare: DeskPackage = { ...desk, signals: [], candidates: [], sentiment: {}, monitoring: {}, context: null };
    const { user: said } = renderPrompt(PROMPT, { ...context, positions: [] }, { ...frame, desk: bare });
    expect(said.match(/^none$/gm)).toHaveLength(5);
    expect(said).toContain('not known yet');
  });
});
