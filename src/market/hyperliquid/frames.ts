/** Frames of the WebSocket → what the feed tells. */

import { z } from 'zod';
import type { AssetContext, Tick } from '../../domain/market.ts';
import { address, coin, decimal, faultIn, unixMs } from '../../hyperliquid/wire.ts';
import { contextRow, toContext } from './bodies.ts';

const side = z.object({ px: decimal.refine((price) => price > 0, 'a price above 0') }).nullable();
const bbo = z.object({ coin, time: unixMs, bbo: z.tuple([side, side]) });
const assetContext = z.object({ coin, ctx: contextRow });
const userFills = z.object({ user: address, isSnapshot: z.boolean().optional(), fills: z.array(z.unknown()) });
const frame = z.object({ channel: z.string(), data: z.unknown().optional() });

export type Heard =
  /** Null: nobody offers on one of the sides, so there is no price. */
  | { readonly kind: 'tick'; readonly tick: Tick | null }
  | { readonly kind: 'context'; readonly context: AssetContext }
  /** Something was executed for the account, or may have been while nobody listened. */
  | { readonly kind: 'account'; readonly address: string }
  /** Answers to what was asked, and channels that nobody needs. */
  | { readonly kind: 'other'; readonly channel: string }
  | { readonly kind: 'refused'; readonly what: string; readonly fault: string };

/** What a text of the WebSocket says. Never throws: garbage is `refused`. `nowMs` stamps what comes without a time of its own. */
export function readFrame(text: string, nowMs: number): Heard {
  const outer = frame.safeParse(parseJson(text));
  if (!outer.success) return { kind: 'refused', what: 'frame', fault: 'a text that is no JSON, or no frame' };
  const { channel, data } = outer.data;
  switch (channel) {
    case 'bbo':
      return readBbo(data) ?? refused(channel, bbo, data);
    case 'activeAssetCtx':
      return readAssetContext(data, nowMs) ?? refused(channel, assetContext, data);
    case 'userFills': {
      const parsed = userFills.safeParse(data);
      return parsed.success ? { kind: 'account', address: parsed.data.user } : refused(channel, userFills, data);
    }
    default:
      return { kind: 'other', channel };
  }
}

function refused(channel: string, schema: z.ZodType, data: unknown): Heard {
  return { kind: 'refused', what: channel, fault: faultIn(schema, data, `${channel}.data`) ?? 'unknown' };
}

/** The price of a book is its mid, at the time that the exchange says: that is what tells a repeated or late frame. */
function readBbo(data: unknown): Heard | null {
  const parsed = bbo.safeParse(data);
  if (!parsed.success) return null;
  const [bid, ask] = parsed.data.bbo;
  if (bid === null || ask === null) return { kind: 'tick', tick: null };
  const price = (bid.px + ask.px) / 2;
  return { kind: 'tick', tick: { symbol: parsed.data.coin, tsMs: parsed.data.time, price, source: 'bbo' } };
}

function readAssetContext(data: unknown, nowMs: number): Heard | null {
  const parsed = assetContext.safeParse(data);
  return parsed.success ? { kind: 'context', context: toContext(parsed.data.coin, nowMs, parsed.data.ctx) } : null;
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller counts it: no frame is undefined.
    return undefined;
  }
}
