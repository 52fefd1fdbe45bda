/**
 * Figures that others have published, in the precision that doubles have. Prices and results are those of the project Stock.Indicators by
 * Dave Skender: S&P 500 by days from 2017-01-03 (its test quotes), `ema`, `rsi`, `macd`, `bb` and `roc` from its files
 * `tests/indicators/_testdata/results/*.standard.json`, the ATR from `docs/.vitepress/public/data/Atr.json`.
 */

import { describe, expect, it } from 'vitest';
import type { Bar } from '../../src/domain/bars.ts';
import type { Indicators } from '../../src/domain/decision.ts';
import { addBar, changeOver, NO_BARS, readIndicators } from '../../src/domain/indicators.ts';

const MINUTE = 60_000;

/** High, low, close, volume of 2017-01-03 to 2017-03-31. */
const QUOTES = `
213.35 211.52 212.8 96708880
214.22 213.15 214.06 83348752
214.06 213.02 213.89 82961968
215.17 213.42 214.66 75744152
214.53 213.91 213.95 49684316
214.89 213.52 213.95 67500792
214.55 213.13 214.55 79014928
214.22 212.53 214.02 76329760
214.84 214.17 214.51 66385084
214.25 213.33 213.75 64821664
214.27 213.42 214.22 57997156
214.46 212.96 213.43 70503512
214.75 213.49 214.21 136721344
214.28 212.83 213.66 79450624
215.48 213.77 215.03 101142584
216.89 215.89 216.89 89374928
217.02 216.36 216.66 63477304
216.91 216.12 216.32 63202528
215.59 213.9 214.98 84399624
215.03 213.82 214.96 80317680
215.96 214.4 215.05 83743792
215.5 214.29 215.19 73730552
216.87 215.84 216.67 85273832
216.66 215.92 216.28 61169192
216.97 216.09 216.29 61318484
216.72 215.7 216.58 54581376
218.19 216.84 217.86 69811760
218.97 217.88 218.72 69875952
220.19 219.23 219.91 58408632
220.8 219.33 220.79 75266840
222.15 220.5 221.94 91860344
222.16 220.93 221.75 89676304
222.1 221.01 222.1 81718352
223.62 222.5 223.43 94146880
223.47 222.8 223.23 65747160
223.81 222.55 223.38 78978816
223.71 222.41 223.66 87198608
224.2 223.29 224.01 59819992
223.86 222.98 223.41 102631472
227.04 225.2 226.53 157879712
226.34 225.05 225.11 74353376
225.43 224.6 225.25 86767480
224.97 223.92 224.58 58630368
224.64 223.68 223.91 68910464
224.51 223.34 223.49 82739456
224.13 222.72 223.78 95986360
224.87 223.52 224.56 86785840
224.72 224.13 224.67 60604724
224.13 223.14 223.81 63382108
226.21 224.18 225.75 101699816
225.99 224.95 225.31 82924856
225.8 224.91 224.91 93798120
225.22 224.24 224.66 55368008
225.46 221.64 221.78 138912016
222.61 221.13 222.3 102826864
223.31 221.66 222.06 105821032
223.02 221.05 221.9 118567344
221.96 219.77 221.67 92167056
223.75 221.22 223.29 98521432
223.75 222.72 223.5 65288636
224.43 223.24 224.21 59795288
224.42 223.63 223.69 77706304`;

/** EMA 20, RSI 14, MACD 12-26-9 (line, signal, histogram) of the last twenty days. */
const AVERAGES = `
222.08367859930607 68.39709923408262 2.4716252648048282 2.3644239678699286 0.10720129693489966
222.25761397080072 64.08389203553347 2.314764175759848 2.3544920094479123 -0.03972783368806443
222.37498406881969 61.467127027305814 2.131983958693155 2.309990399296961 -0.17800644060380577
222.5087951098845 62.602635126224634 1.9876178745674622 2.245515894351061 -0.2578980197835987
222.70414795656217 65.54372601436127 1.9140818499725185 2.1792290854753524 -0.2651472355028339
222.8913719606991 65.95041465053079 1.8434301856890158 2.112069305518085 -0.2686391198290692
222.97886034539442 59.98891925875503 1.6984645776527714 2.0293483599450224 -0.330883782292251
223.2427784077378 67.19318485995079 1.7202896473947362 1.967536617434965 -0.2472469700402289
223.4396566546199 64.36258462011693 1.682684905484365 1.910566275044845 -0.22788136956048022
223.57968935417992 61.81324974358835 1.602137772586076 1.8488805745530912 -0.24674280196701526
223.68257608235325 60.20810906879037 1.500830044274494 1.7792704684973717 -0.27844042422287774
223.50137836022438 45.537762500183526 1.1746108264318025 1.6583385400842579 -0.48372771365245537
223.38696137353634 48.00137709038909 0.9471215722652175 1.5160951465204497 -0.5689735742552322
223.2605840998662 46.94585548635581 0.7389505432485066 1.3606662258660611 -0.6217156826175545
223.13100466178372 46.21622772713053 0.5546689616171818 1.1994667730162853 -0.6447978113991035
222.99186136066146 45.13038807756071 0.38562021291326687 1.0366974609956816 -0.6510772480824147
223.02025551678895 53.429862381325584 0.37801084896671 0.9049601385898873 -0.5269492896231773
223.06594546757094 54.39289319278106 0.38449341739644183 0.8008667943511982 -0.4163733769547564
223.174903042088 57.58635683853695 0.4418288380477122 0.729059203090501 -0.28723036504278876
223.2239598952225 54.57243184924714 0.4402331837084148 0.6712939992140837 -0.23106081550566893`;

/** Bollinger 20-2 (upper, middle, lower), ATR 14, change over 14 bars in percent, of the last twenty days. */
const RANGES = `
227.88568177111145 221.74050000000003 215.5953182288886 1.3705906986658276 2.1235960165522334
227.79289269868508 222.12199999999999 216.4511073013149 1.341262791618267 1.4131074776937382
227.50320144985238 222.48199999999997 217.46079855014756 1.3290297350741043 0.6983869514283191
227.09221222999506 222.84199999999996 218.59178777000486 1.3348133254259538 0.9154453213077796
226.81590697875063 223.177 219.53809302124935 1.335898087895528 1.1076091850517822
226.53398672165778 223.47450000000003 220.4150132783423 1.2826196530458476 0.5549836637873072
226.25595297656852 223.66950000000003 221.08304702343153 1.300289677828287 0.2598217085517236
226.29470739524345 223.91750000000002 221.5402926047566 1.3788404151262672 1.0609723341391373
226.35387477608444 224.086 221.8181252239156 1.3546375283315353 0.7377269069122802
226.26583481026518 224.244 222.22216518973482 1.3214491334507126 0.40176777822418897
226.14331137861188 224.37199999999999 222.6006886213881 1.2970599096328037 0.5595094221386688
226.3574794486406 224.28949999999995 222.2215205513593 1.477269916087605 -2.0968525140158034
226.44186425229026 224.243 222.04413574770973 1.477464922081349 -1.2482786193416562
226.5480175030986 224.177 221.80598249690138 1.4897888562183959 -1.41620421753607
226.6530273009467 224.089 221.5249726990533 1.5240896522027962 -1.1933386766408436
226.74482238883053 223.97199999999998 221.19917761116943 1.5716546770454534 -1.0004019472109371
226.74417494049598 223.96599999999998 221.18782505950398 1.6401079143993496 -0.08948946261578462
226.33542423527564 223.8145 221.29357576472438 1.596528777656539 -0.1251228885512562
226.22766577960073 223.76950000000002 221.31133422039932 1.567491007823929 -0.1558603491271795
226.05394174531352 223.6915 221.32905825468646 1.5119559358365051 -0.43619530867494094`;

const table = (text: string): number[][] => text.trim().split('\n').map(numbersOf);
const numbersOf = (line: string): number[] => line.split(' ').map(Number);
const column = (text: string, place: number): number[] => table(text).map((row) => row[place] ?? Number.NaN);

const BARS: readonly Bar[] = table(QUOTES).map(([high = 0, low = 0, close = 0, volume = 0], i) => ({
  ...{ openTsMs: i * MINUTE, open: close, high, low, close, volume },
}));

/** An indicator as of each of the last `count` bars, every one of them from scratch. */
function newest(bars: readonly Bar[], count: number, read: (of: Indicators) => number | null): number[] {
  return Array.from({ length: count }, (_, i) => {
    const known = bars.slice(0, bars.length - count + 1 + i);
    return read(readIndicators(known.reduce(addBar, NO_BARS))) ?? Number.NaN;
  });
}

/** To 1e-9, each of them. */
function expectEqual(ours: readonly number[], published: readonly number[]): void {
  expect(ours).toHaveLength(published.length);
  for (const [i, value] of ours.entries()) expect(Math.abs(value - (published[i] ?? Number.NaN))).toBeLessThan(1e-9);
}

describe('the published figures of the S&P 500 in March 2017 are met to 1e-9', () => {
  it.each<[string, (of: Indicators) => number | null, string, number]>([
    ['EMA 20', ({ ema20 }) => ema20, AVERAGES, 0],
    ['RSI 14', ({ rsi14 }) => rsi14, AVERAGES, 1],
    ['MACD 12-26', ({ macd }) => macd, AVERAGES, 2],
    ['its signal 9', ({ macdSignal }) => macdSignal, AVERAGES, 3],
    ['its histogram', ({ macdHistogram }) => macdHistogram, AVERAGES, 4],
    ['Bollinger 20-2, upper', ({ bollUpper }) => bollUpper, RANGES, 0],
    ['Bollinger 20-2, middle', ({ bollMiddle }) => bollMiddle, RANGES, 1],
    ['Bollinger 20-2, lower', ({ bollLower }) => bollLower, RANGES, 2],
  ])('%s', (_, read, published, place) => {
    expectEqual(newest(BARS, 20, read), column(published, place));
  });

  it('ATR 14, which begins there with the second bar and the gap before it', () => {
    const [first, second, ...later] = BARS;
    if (first === undefined || second === undefined) throw new Error('no bars');
    const gapped = {
      ...second,
      high: Math.max(second.high, first.close),
      low: Math.min(second.low, first.close),
    };
    expectEqual(
      newest([gapped, ...later], 20, ({ atr14 }) => atr14),
      column(RANGES, 3),
    );
  });

  it('change over a span, here of fourteen candles', () => {
    const candles = BARS.map((bar) => ({ ...bar, symbol: 'SPX' }));
    const ours = candles.slice(-20).map(({ openTsMs }) => {
      return 100 * (changeOver(candles, 14 * MINUTE, openTsMs + MINUTE) ?? Number.NaN);
    });
    expectEqual(ours, column(RANGES, 4));
  });
});

/** Nobody publishes these; whole shares and cents are whole numbers, so they can be had exactly. */
describe('what follows exactly from the published quotes is met to 1e-9', () => {
  /** numerator / denominator with twenty decimals, rounded down, as the nearest double. */
  function ratio(numerator: bigint, denominator: bigint): number {
    const scaled = (numerator * 10n ** 20n) / denominator;
    return Number(scaled) / 1e20;
  }
  const sum = (values: readonly bigint[]) => values.reduce((total, value) => total + value, 0n);

  it.each([
    [5, ({ volumeRatio5 }: Indicators) => volumeRatio5],
    [20, ({ volumeRatio20 }: Indicators) => volumeRatio20],
  ])('volume as a multiple of the mean of the %i days before', (period, read) => {
    const volumes = BARS.map(({ volume }) => BigInt(volume));
    const exact = Array.from({ length: 20 }, (_, i) => {
      const at = volumes.length - 20 + i;
      return ratio((volumes[at] ?? 0n) * BigInt(period), sum(volumes.slice(at - period, at)));
    });
    expectEqual(newest(BARS, 20, read), exact);
  });

  it('EMA 50: 2/51 of the new close in cents and 49/51 of what was', () => {
    const cents = BARS.map(({ close }) => BigInt(Math.round(close * 100)));
    // As a fraction: what was is `over` / `under`.
    let [over, under] = [sum(cents.slice(0, 50)), 50n];
    const exact = [ratio(over, under * 100n)];
    for (const close of cents.slice(50)) {
      [over, under] = [over * 49n + close * 2n * under, under * 51n];
      exact.push(ratio(over, under * 100n));
    }
    expectEqual(
      newest(BARS, exact.length, ({ ema50 }) => ema50),
      exact,
    );
  });
});
