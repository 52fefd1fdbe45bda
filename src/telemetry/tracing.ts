/** Traces of enqueued and processed jobs, sent to a collector. Without one configured none of the libraries is loaded. */

import type { DiagLogger } from '@opentelemetry/api';
import type { Telemetry } from 'bullmq';
import { type Logger, redactUrl } from './logger.ts';

export type TracingSettings = {
  /** Base address of the collector; spans go to `/v1/traces` below it. */
  readonly endpoint: string;
  readonly service: string;
};

export type Tracing = {
  /** For the queues and workers: a job carries the trace that it was enqueued in. */
  readonly telemetry: Telemetry;
  /** Sends what is left. Never throws and never takes long: a dead collector must not keep a process alive. */
  close(): Promise<void>;
};

/** Longest time one request to the collector, with its repetitions, may take. */
const EXPORT_TIMEOUT_MS = 3000;

/**
 * Begins to trace. The libraries keep one tracer a process: of several that are open at the same time the first one counts. An unreachable
 * collector costs spans and a line in the log, nothing else.
 */
export async function startTracing(settings: TracingSettings, instance: string, logger: Logger): Promise<Tracing> {
  const [api, { BullMQOtel }, { OTLPTraceExporter }, { defaultResource, resourceFromAttributes }, sdk] =
    await Promise.all([
      import('@opentelemetry/api'),
      import('bullmq-otel'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-node'),
    ]);
  api.diag.setLogger(logTo(logger), { logLevel: api.DiagLogLevel.WARN, suppressOverrideMessage: true });
  const exporter = new OTLPTraceExporter({ url: tracesUrl(settings.endpoint), timeoutMillis: EXPORT_TIMEOUT_MS });
  const provider = new sdk.NodeTracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': settings.service, 'service.instance.id': instance }),
    ),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { exportTimeoutMillis: EXPORT_TIMEOUT_MS })],
  });
  provider.register();
  return {
    telemetry: new BullMQOtel({ tracerName: 'nof0' }),
    async close() {
      await provider.shutdown().catch((error: unknown) => logger.warn({ error: String(error) }, 'spans were lost'));
      for (const global of [api.trace, api.context, api.propagation, api.diag]) global.disable();
    },
  };
}

function tracesUrl(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

function logTo(logger: Logger): DiagLogger {
  const say = (message: string) => logger.warn({ error: redactUrl(message).slice(0, 500) }, 'tracing');
  const nothing = () => {};
  return { error: say, warn: say, info: nothing, debug: nothing, verbose: nothing };
}
