/** What answers of any HTTP server have in common. */

import { messageOf } from '../errors.ts';

/** `retry-after-ms`, or `retry-after` in seconds or as a date; a date is compared with the server's own clock. Ms. */
export function retryAfter(headers: Headers): number | undefined {
  const inMs = headers.get('retry-after-ms');
  const after = headers.get('retry-after');
  if (inMs !== null && /^\d+(\.\d+)?$/.test(inMs)) return Math.ceil(Number(inMs));
  if (after === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(after)) return Math.ceil(Number(after) * 1000);
  const waitMs = Date.parse(after) - Date.parse(headers.get('date') ?? '');
  return Number.isFinite(waitMs) ? Math.max(0, waitMs) : undefined;
}

/** The bytes of a body; null when there are more than `most`. The rest is not read: leaving the loop ends the connection. */
export async function collectBytes(body: AsyncIterable<Uint8Array> | null, most: number): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > most) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** `fetch failed` says nothing; its cause does. */
export function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : messageOf(cause);
}
