import { describe, expect, it } from 'vitest';
import { compareAnswers } from '../../src/domain/parity.ts';

const trade = { id: 'a', model_id: 'm', entry_time: 1_761_249_208.445, entry_price: 100, exit_plan: {} };
const answer = (...trades: object[]) => ({ trades, serverTime: 1 });
const compare = (theirs: object, ours: object) => compareAnswers('trades', answer(theirs), answer(ours)).differences;

describe('comparing answers', () => {
  it('finds equal ones equal, whatever else stands here', () => {
    expect(compare(trade, { ...trade, ours: 1 })).toEqual([]);
    expect(compareAnswers('trades', answer(trade), answer(trade)).compared).toBe(4);
  });

  it('lets times differ by a millisecond and numbers by a billionth', () => {
    expect(compare({ ...trade, entry_time: 1_761_249_208.4459 }, trade)).toEqual([]);
    expect(compare({ ...trade, entry_price: 100 + 1e-8 }, trade)).toEqual([]);
    expect(compare({ ...trade, entry_time: 1_761_249_208.448 }, trade)).toMatchObject([{ field: 'entry_time' }]);
    expect(compare({ ...trade, entry_price: 100.000_001 }, trade)).toMatchObject([{ row: 'a', field: 'entry_price' }]);
    const human = (entry_human_time: string) => ({ ...trade, entry_human_time });
    expect(compare(human('2025-10-24 15:00:35.473000'), human('2025-10-24 15:00:35.473'))).toEqual([]);
    expect(compare(human('2025-10-24 15:00:35'), human('2025-10-24 15:00:35.500000'))).toHaveLength(1);
  });

  it('names what is missing on either side, and leaves out models that the files do not know', () => {
    const found = compareAnswers(
      'trades',
      answer(trade, { ...trade, id: 'b' }),
      answer(trade, { ...trade, id: 'c' }, { ...trade, id: 'd', model_id: 'other' }),
    );
    expect(found.differences).toMatchObject([
      { row: 'b', field: '', here: '(missing)' },
      { row: 'c', field: '', inFiles: '(missing)' },
    ]);
    expect(found.othersHere).toBe(1);
    expect(compare({ ...trade, extra: 1 }, trade)).toMatchObject([{ field: 'extra', here: '(missing)' }]);
  });

  it('says what is meant to differ', () => {
    const row = { id: 'm', num_trades: 1, equity: 100 };
    const { differences } = compareAnswers(
      'leaderboard',
      { leaderboard: [row] },
      { leaderboard: [{ ...row, num_trades: 19, equity: 101 }] },
    );
    expect(differences.map(({ field, byDefinition }) => [field, byDefinition !== null])).toEqual([
      ['num_trades', true],
      ['equity', false],
    ]);
    const baseline = { model_id: 'buynhold_btc', nav_since_inception: 1 };
    expect(
      compareAnswers('since-inception-values', { sinceInceptionValues: [baseline] }, { sinceInceptionValues: [] }),
    ).toMatchObject({ differences: [{ byDefinition: expect.stringContaining('baseline') }] });
  });

  it('compares positions field by field, prices by their name, and the newest messages', () => {
    const held = (price: number) => ({ model_id: 'm', positions: { BTC: { current_price: price, quantity: 1 } } });
    const { differences } = compareAnswers('positions', { accountTotals: [held(1)] }, { accountTotals: [held(2)] });
    expect(differences).toMatchObject([{ field: 'positions.BTC.current_price', byDefinition: expect.any(String) }]);
    const price = (value: number) => ({ prices: { BTC: { symbol: 'BTC', price: value } } });
    expect(compareAnswers('crypto-prices', price(1), price(2)).differences).toMatchObject([
      { row: 'BTC', field: 'price' },
    ]);
    const talk = (...contents: string[]) => ({
      conversations: [{ model_id: 'm', messages: contents.map((content) => ({ role: 'user', content })) }],
    });
    expect(compareAnswers('conversations', talk('old', 'new'), talk('new')).differences).toEqual([]);
    expect(compareAnswers('conversations', talk('old', 'new'), talk('old')).differences).toHaveLength(1);
  });

  it('takes the last of many totals of an hour', () => {
    const total = (timestamp: number, dollar_equity: number) => ({
      model_id: 'm',
      timestamp,
      dollar_equity,
      since_inception_hourly_marker: 3,
    });
    const files = { accountTotals: [total(200, 2), total(100, 1)] };
    expect(compareAnswers('account-totals', files, { accountTotals: [total(200, 2)] }).differences).toEqual([]);
  });
});
