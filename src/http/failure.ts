/** Errors as the API tells them: the code, a sentence, and every fault of a refused input. */

import type { Context, ErrorHandler, Handler, NotFoundHandler } from 'hono';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { type CodedError, ERROR_CATALOGUE, type ErrorCode, type Fault, toCoded } from '../errors.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Answers with a coded error; the catalogue gives the status unless `status` does. */
export function fail(
  c: Context,
  error: { readonly code: ErrorCode; readonly message: string; readonly faults?: readonly Fault[] },
  status: number = ERROR_CATALOGUE[error.code].status,
) {
  const { code, message, faults = [] } = error;
  const body = { error: { code, message, ...(faults.length > 0 ? { faults } : {}) } };
  return c.json(body, status as ContentfulStatusCode, { 'Cache-Control': 'no-store' });
}

/** Turns whatever a handler throws into an answer. Faults of the server are logged whole and told in general words. */
export function errorHandler(logger: Logger): ErrorHandler {
  return (error, c) => {
    const coded = toCoded(error);
    const requestId = c.get('requestId');
    const { status } = ERROR_CATALOGUE[coded.code];
    if (status < 500) return fail(c, coded);
    const line = { requestId, method: c.req.method, path: c.req.path, code: coded.code };
    // An outage is no fault of the code: its stack would say nothing and come with every request.
    if (status === 503) logger.warn({ ...line, error: coded.message }, 'request failed');
    else logger.error({ ...line, err: coded.cause ?? coded }, 'request failed');
    return fail(c, { code: coded.code, message: publicMessage(coded, requestId) });
  };
}

/** What the world may read of a fault of the server: never an address, a statement or a stack. */
function publicMessage(error: CodedError, requestId: string): string {
  const { meaning, retryable } = ERROR_CATALOGUE[error.code];
  return `${meaning}${retryable ? ' Try again later.' : ''} The log has more under request ${requestId}.`;
}

/** The answer to an address that is none of ours. */
export const unknownRoute: NotFoundHandler = (c) => {
  const asked = `${c.req.method} ${c.req.path}`.slice(0, 200);
  const message = `there is nothing at ${asked}; /api lists the addresses`;
  return fail(c, { code: 'NOF0_ROUTE_UNKNOWN', message, faults: [{ path: 'path', expected: 'a known address' }] }, 404);
};

/** The answer to a known address asked in a way that it does not know. */
export function methodUnknown(allowed: string): Handler {
  return (c) => {
    c.header('Allow', allowed);
    const message = `${c.req.method} is not known at ${c.req.path}`.slice(0, 200);
    return fail(c, { code: 'NOF0_METHOD_UNKNOWN', message: `${message}; expected ${allowed}` });
  };
}
