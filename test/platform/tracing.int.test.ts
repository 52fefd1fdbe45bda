import { execFile } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { done } from '../../src/engine/context.ts';
import { enqueueEffect } from '../../src/jobs/registry.ts';
import type { Resources } from '../../src/resources.ts';
import { startWorker } from '../../workers/define-worker.ts';
import { createRun, REPO, type TestRun, testConfig } from '../harness.ts';
import { commit, eventually, outboxRows } from './support.ts';

const SLOT = Date.UTC(2026, 0, 1);
const INTERNAL = 1;
const PRODUCER = 4;
const CONSUMER = 5;

const attribute = z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) });
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.number(),
  attributes: z.array(attribute).default([]),
});
const request = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(attribute) }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
});

type Span = z.infer<typeof span>;

/** A collector that keeps what it is sent. */
class Collector {
  readonly spans: Span[] = [];
  readonly services = new Set<unknown>();
  readonly paths = new Set<string | undefined>();
  readonly #server: Server;

  constructor() {
    this.#server = createServer((incoming, answer) => {
      let text = '';
      incoming.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
      });
      incoming.on('end', () => {
        this.paths.add(incoming.url);
        this.#take(text);
        answer.writeHead(200, { 'Content-Type': 'application/json' }).end('{}');
      });
    });
  }

  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #take(text: string): void {
    for (const { resource, scopeSpans } of request.parse(JSON.parse(text)).resourceSpans) {
      this.services.add(resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue);
      this.spans.push(...scopeSpans.flatMap((scope) => scope.spans));
    }
  }
}

async function runOneJob({ db, outbox }: Resources, modelId: string): Promise<void> {
  await outbox.drain(await commit(db, [enqueueEffect('decision-cycle', { modelId, slotMs: SLOT })]));
  await eventually(async () => expect(await outboxRows(db)).toEqual([]));
}

const traced = (endpoint: string) =>
  createRun({ config: testConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_SERVICE_NAME: 'arena' }) });

let run: TestRun | null = null;
afterEach(async () => {
  await run?.close();
  run = null;
});

describe('with a collector', () => {
  const collector = new Collector();
  let endpoint = '';

  beforeAll(async () => {
    endpoint = await collector.open();
  });
  afterAll(() => collector.close());

  it('a job that was enqueued and processed, and what it enqueued itself, are spans of one trace', async () => {
    run = await traced(`${endpoint}/`);
    const { resources } = run;
    const worker = startWorker(
      resources,
      'decision-cycle',
      async ({ modelId }) => {
        if (modelId === 'first') {
          const rows = await commit(resources.db, [enqueueEffect('decision-cycle', { modelId: 'then', slotMs: SLOT })]);
          await resources.outbox.drain(rows);
        }
        return done();
      },
      2,
    );
    await runOneJob(resources, 'first');
    await worker.close(1000);
    // Closing sends what is left; nothing waits for the next batch.
    await run.close();
    run = null;

    const named = (name: string, kind: number) =>
      collector.spans.filter((candidate) => candidate.name === name && candidate.kind === kind);
    const [added, addedThen] = named('addBulk decision-cycle', PRODUCER);
    const [processed, processedThen] = named('process decision-cycle', CONSUMER);
    expect(added?.parentSpanId).toBe('');
    expect(processed).toMatchObject({ traceId: added?.traceId, parentSpanId: added?.spanId });
    expect(addedThen).toMatchObject({ traceId: added?.traceId, parentSpanId: processed?.spanId });
    expect(processedThen).toMatchObject({ traceId: added?.traceId, parentSpanId: addedThen?.spanId });
    // What a worker does for itself belongs to no job's trace and to none that happened to be open when it began.
    const own = named('moveStalledJobsToWait decision-cycle', INTERNAL);
    expect(own.length).toBeGreaterThan(0);
    expect(own.filter(({ parentSpanId }) => parentSpanId !== '')).toEqual([]);
    expect(processed?.attributes.map(({ key }) => key)).toContain('bullmq.job.id');
    expect([...collector.services]).toEqual(['arena']);
    expect([...collector.paths]).toEqual(['/v1/traces']);
  });
});

describe('without a collector', () => {
  it('that answers, jobs run and closing takes no longer than a moment', async () => {
    run = await traced('http://127.0.0.1:1');
    const worker = startWorker(run.resources, 'decision-cycle', async () => done(), 2);
    await runOneJob(run.resources, 'm');
    await worker.close(1000);
    const started = performance.now();
    await run.close();
    expect(performance.now() - started).toBeLessThan(10_000);
    run = null;
  });

  it('configured, nothing is traced and the libraries are not even loaded', async () => {
    run = await createRun();
    expect(run.resources.tracing).toBeNull();
    const list = `
      await import('./workers/cli.ts');
      const { createRequire } = await import('node:module');
      const loaded = Object.keys(createRequire(import.meta.url).cache);
      process.stdout.write(JSON.stringify(loaded.filter((file) => /bullmq-otel|opentelemetry.(sdk|exporter)/.test(file))));
      process.exit();`;
    const node = ['--import', 'tsx', '--input-type=module', '-e', list];
    const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: REPO });
    expect(JSON.parse(stdout)).toEqual([]);
  });
});
