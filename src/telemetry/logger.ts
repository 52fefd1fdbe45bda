/** Logging: one line an event. Pretty in a terminal, JSON elsewhere; secrets never get through. */

import pino, { type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';

export type Logger = PinoLogger;

export type LogSettings = { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' };

const SECRET_NAMES = new Set(['apiKey', 'password', 'secret', 'token', 'authorization', 'privateKey']);
/** Deeper than any object we log; keeps a circle from being followed for ever. */
const MAX_DEPTH = 5;

/** The object with the values of secret names hidden, however deep; the same object when it holds none. */
function withoutSecrets(object: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let safe: Record<string, unknown> | null = null;
  for (const name of Object.keys(object)) {
    const value = object[name];
    const shown = SECRET_NAMES.has(name) ? '***' : isPlain(value) ? hiddenWithin(value, depth) : value;
    if (shown === value) continue;
    safe ??= { ...object };
    safe[name] = shown;
  }
  return safe ?? object;
}

function hiddenWithin(value: Record<string, unknown> | unknown[], depth: number): unknown {
  if (depth >= MAX_DEPTH) return value;
  if (!Array.isArray(value)) return withoutSecrets(value, depth + 1);
  const items = value.map((item: unknown) => (isPlain(item) ? hiddenWithin(item, depth + 1) : item));
  return items.some((item, index) => item !== value[index]) ? items : value;
}

/** Objects of other classes (errors, dates) have forms of their own in a log. */
function isPlain(value: unknown): value is Record<string, unknown> | unknown[] {
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
}

/** The address with its credentials hidden: `postgres://user:***@host/db`. */
export function redactUrl(url: string): string {
  return url.replace(/(\/\/[^:@/]*:)[^@/]*@/, '$1***@');
}

/**
 * A logger that writes to standard error, so that standard output stays for a command's answer, or to a file (as JSON). Urls with
 * passwords are redacted wherever they turn up in a message.
 */
export function createLogger(settings: LogSettings, base: Record<string, unknown> = {}, file?: string): Logger {
  const stream =
    file === undefined && isPretty(settings)
      ? pretty({
          destination: 2,
          sync: false,
          colorize: process.stderr.isTTY,
          translateTime: 'SYS:HH:MM:ss.l',
          ignore: 'pid,hostname',
        })
      : pino.destination({ dest: file ?? 2, sync: false, mkdir: true });
  return pino(
    {
      level: settings.level,
      base,
      formatters: { log: (line) => withoutSecrets(line), bindings: (base) => withoutSecrets(base) },
      hooks: {
        logMethod(args, method) {
          method.apply(
            this,
            args.map((arg: unknown) => (typeof arg === 'string' ? redactUrl(arg) : arg)) as typeof args,
          );
        },
      },
    },
    stream,
  );
}

function isPretty(settings: LogSettings): boolean {
  return settings.format === 'pretty' || (settings.format === 'auto' && process.stderr.isTTY);
}
