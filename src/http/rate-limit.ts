/** How often one address may ask: each API process counts for itself. */

import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context, MiddlewareHandler } from 'hono';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import type { Config } from '../config.ts';
import { isLoopback } from './access.ts';
import { fail } from './failure.ts';

const WINDOW_S = 60;

/** Refuses with 429 and `Retry-After` what goes beyond `http.rateLimit` a minute. This machine itself is not limited. */
export function rateLimit(http: Config['http']): MiddlewareHandler {
  if (http.rateLimit === 0) return (_, next) => next();
  const limiter = new RateLimiterMemory({ points: http.rateLimit, duration: WINDOW_S });
  return async (c, next) => {
    const address = addressOf(c, http.proxies);
    if (address === null) return next();
    try {
      const { remainingPoints } = await limiter.consume(address);
      c.set('remaining', String(remainingPoints));
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const seconds = Math.max(1, Math.ceil(error.msBeforeNext / 1000));
      c.header('Retry-After', String(seconds));
      const message = `an address may ask ${http.rateLimit} times a minute; ask again in ${seconds} s`;
      return fail(c, { code: 'NOF0_TOO_MANY_REQUESTS', message });
    }
    return next();
  };
}

/** Who asks: the peer, or what a proxy that is believed says of it. Null: this machine itself, or no network at all. */
function addressOf(c: Context, proxies: readonly string[]): string | null {
  const peer = peerOf(c);
  if (peer === null) return null;
  const isHere = isLoopback(peer);
  if (!isHere && !proxies.includes(peer)) return peer;
  const forwarded = c.req.header('x-forwarded-for');
  const caller = forwarded === undefined ? undefined : callerOf(forwarded, proxies);
  return caller ?? (isHere ? null : peer);
}

/** Each proxy adds whom it heard from at the end: the last one that is no proxy of ours is the caller. */
function callerOf(forwarded: string, proxies: readonly string[]): string | undefined {
  const addresses = forwarded.split(',').map((part) => part.trim());
  return addresses.reverse().find((address) => address !== '' && !isLoopback(address) && !proxies.includes(address));
}

function peerOf(c: Context): string | null {
  // Requests that tests and commands make inside the process come over no connection.
  if ((c.env as { incoming?: unknown } | undefined)?.incoming === undefined) return null;
  return getConnInfo(c).remote.address?.replace(/^::ffff:/, '') ?? null;
}
