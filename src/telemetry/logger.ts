/** Logging: one line an event. Pretty in a terminal, JSON elsewhere; secrets never get through. */

import pino, { type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import { Redactor } from './redact.ts';

export { redactUrl } from './redact.ts';

export type Logger = PinoLogger;

export type LogSettings = {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'pretty';
  /** Values that are hidden wherever they turn up. */
  readonly secrets?: readonly string[];
};

/**
 * A logger that writes to standard error, so that standard output stays for a command's answer, or to a file (as JSON). Secrets are
 * hidden wherever they turn up: in messages, in fields, in errors and their stacks.
 */
export function createLogger(settings: LogSettings, base: Record<string, unknown> = {}, file?: string): Logger {
  const redactor = new Redactor(settings.secrets);
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
      formatters: { log: (line) => redactor.value(line), bindings: (base) => redactor.value(base) },
      serializers: {
        err: (error: unknown) => redactor.value(error instanceof Error ? { ...pino.stdSerializers.err(error) } : error),
      },
      hooks: {
        logMethod(args, method) {
          method.apply(
            this,
            args.map((arg: unknown) => (typeof arg === 'string' ? redactor.text(arg) : arg)) as typeof args,
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
