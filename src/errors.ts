/**
 * The catalogue of coded errors. A code says what happened to people and programs alike, and whether trying
 * again can help; the job pipeline, the API and the command line all read it from here.
 */

type ErrorEntry = {
  /** What the code means, in one sentence. */
  readonly meaning: string;
  /** Whether the same work may succeed when it is simply tried again later. */
  readonly retryable: boolean;
  /** HTTP status the API answers with. */
  readonly status: number;
};

export const ERROR_CATALOGUE = {
  NOF0_CONFIG_INVALID: {
    meaning: 'Configuration (environment or arena file) is not valid.',
    retryable: false,
    status: 500,
  },
  NOF0_INPUT_INVALID: {
    meaning: 'An input from outside does not have the expected shape.',
    retryable: false,
    status: 400,
  },
  NOF0_PAYLOAD_INVALID: { meaning: 'A job payload does not match its contract.', retryable: false, status: 400 },
  NOF0_PAYLOAD_TOO_NEW: {
    meaning: 'A job payload has a newer version than this worker knows.',
    retryable: true,
    status: 409,
  },
  NOF0_ARCHIVE_BROKEN: {
    meaning: 'An archive file is missing or not what was written, or its rows have changed since; nothing was removed.',
    retryable: true,
    status: 409,
  },
  NOF0_ARCHIVE_DIFFERS: {
    meaning: 'Rows that were restored from an archive are not those of its file any more; they stay.',
    retryable: false,
    status: 409,
  },
  NOF0_JOB_UNKNOWN: { meaning: 'No job with this name exists.', retryable: false, status: 404 },
  NOF0_JOB_UNHANDLED: {
    meaning: 'A job contract has no handler, or a handler has no contract.',
    retryable: false,
    status: 500,
  },
  NOF0_JOB_TIMEOUT: { meaning: 'A job ran longer than its contract allows.', retryable: true, status: 504 },
  NOF0_JOB_ABORTED: {
    meaning: 'A job was aborted: its lock was lost or its worker is shutting down.',
    retryable: true,
    status: 503,
  },
  NOF0_JOB_CANCELLED: { meaning: 'A person cancelled the job.', retryable: false, status: 409 },
  NOF0_JOB_POISON: {
    meaning: 'A job killed its process too often and is not tried again.',
    retryable: false,
    status: 500,
  },
  NOF0_JOB_LOCK_LOST: {
    meaning: 'The lock of a job was lost: another worker has it now.',
    retryable: true,
    status: 409,
  },
  NOF0_MODEL_UNKNOWN: { meaning: 'No model with this id takes part in the arena.', retryable: false, status: 404 },
  NOF0_SYMBOL_UNKNOWN: { meaning: 'No instrument with this symbol is traded here.', retryable: false, status: 404 },
  NOF0_DATABASE_UNAVAILABLE: { meaning: 'Postgres cannot be reached.', retryable: true, status: 503 },
  NOF0_QUEUE_UNAVAILABLE: { meaning: 'The queue Redis cannot be reached.', retryable: true, status: 503 },
  NOF0_QUEUE_POLICY: {
    meaning: 'The queue Redis may forget jobs when its memory is full.',
    retryable: false,
    status: 500,
  },
  NOF0_CACHE_UNAVAILABLE: {
    meaning: 'The cache Redis cannot be reached; reads come from Postgres.',
    retryable: true,
    status: 503,
  },
  NOF0_SERVER_MISSING: {
    meaning: 'A server program that is needed is not installed and could not be installed.',
    retryable: false,
    status: 500,
  },
  NOF0_SERVER_START: { meaning: 'An embedded server did not start.', retryable: false, status: 500 },
  NOF0_RUN_BUSY: { meaning: 'The run is already held by another process.', retryable: false, status: 409 },
  NOF0_RUN_MISMATCH: {
    meaning: 'The run was started with other settings than it is continued with.',
    retryable: false,
    status: 409,
  },
  NOF0_SCHEMA_OUTDATED: {
    meaning: 'The database schema is not the one this version needs.',
    retryable: false,
    status: 500,
  },
  NOF0_BACKUP_INVALID: {
    meaning: 'A backup is unfinished, damaged, or of a newer version.',
    retryable: false,
    status: 422,
  },
  NOF0_MARKET_DATA: {
    meaning: 'Market data could not be read or has an unexpected shape.',
    retryable: false,
    status: 502,
  },
  NOF0_MARKET_UNAVAILABLE: { meaning: 'The market data provider did not answer.', retryable: true, status: 502 },
  NOF0_MARKET_REFUSED: {
    meaning: 'The market data provider refused the key or the request.',
    retryable: true,
    status: 502,
  },
  NOF0_FRAME_MISSING: {
    meaning: 'No market frame exists for a slot and none can be built yet.',
    retryable: true,
    status: 503,
  },
  NOF0_RATE_LIMITED: {
    meaning: 'A provider refused because too much was asked of it in too short a time.',
    retryable: true,
    status: 429,
  },
  NOF0_EXCHANGE_REJECTED: { meaning: 'The exchange refused the request.', retryable: false, status: 422 },
  NOF0_EXCHANGE_ACCOUNT: {
    meaning: 'The exchange does not know the account or its agent, or the account was never funded.',
    retryable: false,
    status: 422,
  },
  NOF0_EXCHANGE_SIGNATURE: {
    meaning: 'The exchange could not tell from the signature who sent the request.',
    retryable: false,
    status: 422,
  },
  NOF0_EXCHANGE_NONCE: {
    meaning: 'The number of the request was used before or lies outside of the window that the exchange accepts.',
    retryable: false,
    status: 422,
  },
  NOF0_EXCHANGE_EXPIRED: {
    meaning: 'The request reached the exchange after the moment until which it was meant.',
    retryable: false,
    status: 422,
  },
  NOF0_EXCHANGE_LEVERAGE: {
    meaning: 'The exchange refused the leverage or the margin mode.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_INVALID: {
    meaning: 'Price, size or trigger of an order do not fit the instrument.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_MIN_NOTIONAL: {
    meaning: 'An order is worth less than the exchange takes.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_MARGIN: { meaning: 'The account has not enough margin for an order.', retryable: false, status: 422 },
  NOF0_ORDER_REDUCE_ONLY: {
    meaning: 'A reduce-only order would have increased the position.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_NOT_MATCHED: {
    meaning: 'Nobody took the other side of an order at a price that it accepts.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_POST_ONLY: {
    meaning: 'An order that may only add liquidity would have taken some.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_LIMIT: {
    meaning: 'An order is too large, or too far from the oracle, for what the exchange allows at the moment.',
    retryable: false,
    status: 422,
  },
  NOF0_ORDER_GONE: {
    meaning: 'The order that was to be changed was never placed, or is canceled or filled.',
    retryable: false,
    status: 404,
  },
  NOF0_EXCHANGE_DATA: {
    meaning: 'An answer of the exchange has an unexpected shape.',
    retryable: false,
    status: 502,
  },
  NOF0_STOP_NOT_PLACED: {
    meaning: 'The exchange filled an entry and did not take its stop; the position was closed again at once.',
    retryable: false,
    status: 422,
  },
  NOF0_EXCHANGE_UNAVAILABLE: { meaning: 'The exchange did not answer.', retryable: true, status: 502 },
  NOF0_LLM_UNAVAILABLE: { meaning: 'The language model endpoint did not answer.', retryable: true, status: 502 },
  NOF0_LLM_ANSWER_INVALID: {
    meaning: 'The language model answered something that is not a decision.',
    retryable: false,
    status: 502,
  },
  NOF0_LLM_BUDGET: { meaning: 'The model has no budget left for this market day.', retryable: false, status: 429 },
  NOF0_TRADER_BUSY: {
    meaning: 'A cycle of the trader did not end in the time given; nothing was done.',
    retryable: true,
    status: 409,
  },
  NOF0_CYCLE_UNKNOWN: { meaning: 'No finished decision cycle has this number.', retryable: false, status: 404 },
  NOF0_DIGEST_MISMATCH: {
    meaning:
      'What is stored is not what its digest was taken of: it was changed since, or written by an older version.',
    retryable: false,
    status: 409,
  },
  NOF0_MODEL_NOT_FLAT: {
    meaning: 'A model has open positions or orders, and what was asked for needs it to have none.',
    retryable: false,
    status: 409,
  },
  NOF0_SEASON_UNKNOWN: { meaning: 'There is no season with this name.', retryable: false, status: 404 },
  NOF0_SEASON_STATE: {
    meaning: 'The season is not in the state that this needs.',
    retryable: false,
    status: 409,
  },
  NOF0_LEASE_LOST: {
    meaning: 'A lease passed to another process; this one may write nothing more.',
    retryable: true,
    status: 409,
  },
  NOF0_LEDGER_INCONSISTENT: {
    meaning: 'Fills contradict each other or the positions they are said to lead to.',
    retryable: false,
    status: 500,
  },
  NOF0_ROUTE_UNKNOWN: { meaning: 'There is nothing at this address.', retryable: false, status: 404 },
  NOF0_METHOD_UNKNOWN: { meaning: 'This address has no such method.', retryable: false, status: 405 },
  NOF0_UNAUTHENTICATED: {
    meaning: 'This needs a token or a name and password, and none that is known was given.',
    retryable: false,
    status: 401,
  },
  NOF0_TOO_MANY_REQUESTS: {
    meaning: 'More was asked of the API than one caller, or all of them together, may ask at a time.',
    retryable: true,
    status: 429,
  },
  NOF0_FORBIDDEN: { meaning: 'This may not be done from here.', retryable: false, status: 403 },
  NOF0_INTERNAL: {
    meaning: 'Something unexpected happened; this is a fault of the platform.',
    retryable: true,
    status: 500,
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** One fault of an input: where it is and what was expected there. */
export type Fault = { readonly path: string; readonly expected: string };

/** An error of the catalogue. `faults` lists every fault of a refused input, not only the first. */
export class CodedError extends Error {
  readonly code: ErrorCode;
  readonly faults: readonly Fault[];
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; faults?: readonly Fault[]; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CodedError';
    this.code = code;
    this.faults = options.faults ?? [];
    this.details = options.details ?? {};
  }

  /** Whether trying the same work again can help. */
  get retryable(): boolean {
    return ERROR_CATALOGUE[this.code].retryable;
  }
}

/** Any thrown thing as a coded error; connection faults of the drivers get their own codes, the rest is internal. */
export function toCoded(error: unknown): CodedError {
  if (error instanceof CodedError) return error;
  const message = messageOf(error);
  if (isDatabaseOutage(error)) return new CodedError('NOF0_DATABASE_UNAVAILABLE', message, { cause: error });
  return new CodedError('NOF0_INTERNAL', message, { cause: error });
}

/** The message of any thrown thing. Aggregated connection faults have an empty message of their own: their code speaks. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') {
    return error.errors.map((inner: unknown) => messageOf(inner)).join('; ');
  }
  return error instanceof Error ? error.message : String(error);
}

const OUTAGE_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  '53300',
  '57P01',
  '57P02',
  '57P03',
  '08006',
  '08001',
  '08003',
]);

/** Whether the error says that Postgres is gone or going (driver errno or SQLSTATE class 08/57P). */
export function isDatabaseOutage(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && OUTAGE_CODES.has(code)) return true;
  return (
    error instanceof Error &&
    /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/.test(
      error.message,
    )
  );
}
