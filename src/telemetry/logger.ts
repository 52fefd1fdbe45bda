/** Logging: one line an event. Pretty in a terminal, JSON elsewhere; secrets never get through. */

import pino, { type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';

export type Logger = PinoLogger;

export type LogSettings = { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' };

const SECRET_PATHS = ['apiKey', 'password', 'secret', 'token', 'authorization', 'privateKey'].flatMap((name) => [
  name,
  `*.${name}`,
  `*.*.${name}`,
]);

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
      redact: { paths: SECRET_PATHS, censor: '***' },
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
