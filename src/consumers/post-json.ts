/** Posting to somebody outside. */

import { messageOf } from '../errors.ts';
import type { Delivery } from './trade-consumer.ts';

/** Answers that say that this very body will never be taken. */
const PERMANENT: ReadonlySet<number> = new Set([400, 410, 413, 422]);

export type Post = {
  readonly url: string;
  readonly timeoutMs: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers beside the usual ones after which another try would end the same way. */
  readonly permanent?: readonly number[];
};

/** Posts a JSON text once. Never throws. */
export async function postJson({ url, timeoutMs, body, headers, permanent = [] }: Post): Promise<Delivery> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      // A redirect could lead the body anywhere; it counts as a failure.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs),
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    await response.body?.cancel();
    if (response.ok) return { kind: 'delivered' };
    const { status } = response;
    return {
      kind: 'failed',
      reason: `answered ${status}`,
      permanent: PERMANENT.has(status) || permanent.includes(status),
    };
  } catch (error) {
    // What fetch throws says "fetch failed"; its cause says why.
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return { kind: 'failed', reason: messageOf(cause), permanent: false };
  }
}
