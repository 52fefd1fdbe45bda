/**
 * A recorded session: a folder of minute candles as a replay has them (`<source>_<SYMBOL>_1m_….csv`, `t,o,h,l,c,v`), and, where there
 * are any, `instruments.json` (sectors and indices) and `news.json` (headlines).
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { newsItemSchema } from '../../domain/desk/news.ts';
import { CodedError, messageOf } from '../../errors.ts';
import { openReplay } from '../replay.ts';
import { type EquityMarket, quietHistory } from './equity-market.ts';
import { recordedNews } from './news.ts';
import { assetOf, indexOf, VIX } from './synthetic.ts';

const instrumentsSchema = z.array(
  z.strictObject({
    symbol: z.string().min(1).max(32),
    sector: z.string().min(1).max(64).optional(),
    /** `index`: it is watched and not traded. */
    kind: z.enum(['equity', 'index']).default('equity'),
  }),
);

/** Throws NOF0_MARKET_DATA for a folder that cannot be used, like a replay. */
export async function openRecording(dir: string): Promise<EquityMarket> {
  const { files: _files, ...replay } = await openReplay(dir);
  const known = await readJson(path.join(dir, 'instruments.json'), instrumentsSchema);
  const news = recordedNews((await readJson(path.join(dir, 'news.json'), z.array(newsItemSchema))) ?? []);
  const described = new Map((known ?? []).map((instrument) => [instrument.symbol, instrument]));
  const assets = (await replay.assets()).map(({ symbol }) => {
    const { sector = 'other', kind = symbol === VIX ? 'index' : 'equity' } = described.get(symbol) ?? {};
    return kind === 'index' ? indexOf(symbol) : assetOf({ symbol, sector });
  });
  return quietHistory({ ...replay, provider: 'equities', assets: async () => assets, news });
}

/** Null when there is no such file. */
async function readJson<T>(file: string, schema: z.ZodType<T>): Promise<T | null> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw new CodedError('NOF0_MARKET_DATA', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  });
  if (text === null) return null;
  const parsed = schema.safeParse(parse(file, text));
  if (parsed.success) return parsed.data;
  throw new CodedError('NOF0_MARKET_DATA', `${file} is not what is expected`, {
    faults: parsed.error.issues.map((issue) => ({ path: `${file}: ${issue.path.join('.')}`, expected: issue.message })),
  });
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CodedError('NOF0_MARKET_DATA', `${file} is no JSON: ${messageOf(error)}`, { cause: error });
  }
}
