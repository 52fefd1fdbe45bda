import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { CodedError } from '../../src/errors.ts';
import type { ChatOptions } from '../../src/llm/chat-endpoint.ts';
import type { DecisionRequest } from '../../src/llm/decision-model.ts';
import { openAiCompatibleModel } from '../../src/llm/openai-compatible.ts';
import { renderPrompt } from '../../src/llm/prompt.ts';
import { asset, frameOf, requestOf, shippedPrompt } from './fixtures.ts';

type Handler = (body: Record<string, unknown>, response: ServerResponse, request: IncomingMessage) => void;

const KEY = 'sk-very-secret';
const GOOD = {
  reasoning: 'calm',
  decisions: [{ symbol: 'BTC', action: 'hold', confidence: 0.6, reasoning: 'nothing to do' }],
};

let server: Server | undefined;

afterEach(async () => {
  server?.closeAllConnections();
  await new Promise((resolve) => (server === undefined ? resolve(null) : server.close(resolve)));
  server = undefined;
});

async function endpoint(handler: Handler): Promise<string> {
  const started = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    request.on('end', () => handler(JSON.parse(text), response, request));
  });
  server = started;
  await new Promise((resolve) => started.listen(0, '127.0.0.1', () => resolve(null)));
  return `http://127.0.0.1:${(started.address() as AddressInfo).port}/v1`;
}

function completion(
  response: ServerResponse,
  content: string,
  extra: { finish?: string; usage?: object | null } = {},
): void {
  const usage =
    extra.usage === undefined ? { prompt_tokens: 1000, completion_tokens: 50, total_tokens: 1050 } : extra.usage;
  const choice = { index: 0, message: { role: 'assistant', content }, finish_reason: extra.finish ?? 'stop' };
  json(response, 200, { id: 'x', object: 'chat.completion', created: 0, model: 'm', choices: [choice], usage });
}

function json(response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

function modelAt(baseUrl: string, overrides: Partial<ChatOptions> = {}) {
  return openAiCompatibleModel({
    name: 'test-endpoint',
    baseUrl,
    apiKey: KEY,
    model: 'some-model',
    temperature: 0.2,
    maxCompletionTokens: 800,
    timeoutMs: 5000,
    promptUsdPerToken: 0.000001,
    completionUsdPerToken: 0.000002,
    ...overrides,
  });
}

function request(): DecisionRequest {
  const plain = requestOf({ frame: frameOf([asset('BTC')]) });
  return { ...plain, prompt: renderPrompt(shippedPrompt(), plain.context, plain.frame) };
}

async function failure(baseUrl: string, overrides: Partial<ChatOptions> = {}, signal = new AbortController().signal) {
  const error: unknown = await modelAt(baseUrl, overrides)
    .decide(request(), signal)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  if (!(error instanceof CodedError)) throw new Error(`expected a coded error, got ${String(error)}`);
  return error;
}

describe('openAiCompatibleModel', () => {
  it('asks for JSON of the schema and returns answer, wire text, tokens and cost', async () => {
    const seen: Record<string, unknown>[] = [];
    const url = await endpoint((body, response, { headers }) => {
      seen.push({ ...body, authorization: headers.authorization });
      completion(response, JSON.stringify(GOOD));
    });
    const model = modelAt(url);
    const reply = await model.decide(request(), new AbortController().signal);
    expect(reply).toMatchObject({ answer: GOOD, raw: JSON.stringify(GOOD), promptTokens: 1000, completionTokens: 50 });
    expect(reply.costUsd).toBeCloseTo(0.0011, 12);
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({
      model: 'some-model',
      temperature: 0.2,
      max_tokens: 800,
      authorization: `Bearer ${KEY}`,
      response_format: { type: 'json_schema', json_schema: { strict: false } },
      messages: [{ role: 'system' }, { role: 'user' }],
    });
    expect(model).toMatchObject({ kind: 'test-endpoint', deterministic: false });
  });

  it.each([
    ['prose around it', `Sure {thinking}, here you go:\n${JSON.stringify(GOOD)}\nGood luck!`],
    ['a fence around it', `\`\`\`json\n${JSON.stringify(GOOD, null, 2)}\n\`\`\``],
    ['thoughts before it', `<think>maybe {"decisions": []}</think>${JSON.stringify(GOOD)}`],
  ])('reads an answer with %s', async (_name, content) => {
    const url = await endpoint((_body, response) => completion(response, content));
    const reply = await modelAt(url).decide(request(), new AbortController().signal);
    expect(reply.answer).toEqual(GOOD);
    expect(reply.raw).toBe(content);
  });

  it('asks for any JSON when the schema is refused, in plain words when that is refused too, and remembers it', async () => {
    const formats: unknown[] = [];
    const url = await endpoint((body, response) => {
      const format = body.response_format as { type: string } | undefined;
      formats.push(format?.type);
      if (format === undefined) completion(response, JSON.stringify(GOOD));
      else json(response, 400, { error: { message: 'This response_format type is unavailable' } });
    });
    const model = modelAt(url);
    for (let i = 0; i < 2; i++) {
      expect((await model.decide(request(), new AbortController().signal)).answer).toEqual(GOOD);
    }
    expect(formats).toEqual(['json_schema', 'json_object', undefined, undefined]);
  });

  it('limits the answer in the words that the endpoint knows', async () => {
    const limits: unknown[] = [];
    const url = await endpoint((body, response) => {
      limits.push([body.max_tokens, body.max_completion_tokens, body.reasoning_effort]);
      if (body.max_tokens === undefined) completion(response, JSON.stringify(GOOD));
      else json(response, 400, { error: { message: "Use 'max_completion_tokens' instead." } });
    });
    const model = modelAt(url, { reasoningEffort: 'low' });
    expect((await model.decide(request(), new AbortController().signal)).answer).toEqual(GOOD);
    expect(limits).toEqual([
      [800, undefined, 'low'],
      [undefined, 800, 'low'],
    ]);
  });

  it('gives up on an endpoint that refuses everything, after a few questions', async () => {
    let questions = 0;
    const url = await endpoint((_body, response) => {
      questions++;
      json(response, 400, { error: { message: 'response_format max_completion_tokens grammar' } });
    });
    expect(await failure(url)).toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE', details: { retry: false, spent: false } });
    expect(questions).toBeLessThanOrEqual(4);
  });

  it('never uses more than it said it could, if the endpoint keeps to its limit', () => {
    const url = 'http://127.0.0.1:9/v1';
    const { tokens, usd } = modelAt(url).bound(request());
    const { system, user } = request().prompt;
    const bytes = Buffer.byteLength(system) + Buffer.byteLength(user);
    expect(tokens).toBeGreaterThan(bytes + 800);
    expect(usd).toBeCloseTo((tokens - 800) * 0.000001 + 800 * 0.000002, 12);
    const repair = { said: 'x'.repeat(1000), asked: '' };
    expect(modelAt(url).bound({ ...request(), repair }).tokens).toBeGreaterThanOrEqual(tokens + 1000);
  });

  it('estimates the tokens of an endpoint that does not count them', async () => {
    const url = await endpoint((_body, response) => completion(response, JSON.stringify(GOOD), { usage: null }));
    const reply = await modelAt(url).decide(request(), new AbortController().signal);
    expect(reply.promptTokens).toBeGreaterThan(100);
    expect(reply.costUsd).toBeGreaterThan(0);
  });

  it.each([
    ['prose', 'I would rather not trade today.'],
    ['an object of another shape', '{"signal": "buy"}'],
    ['an unknown action', '{"decisions": [{"symbol": "BTC", "action": "yolo", "confidence": 1}]}'],
  ])('calls %s no answer, and says what it cost', async (_name, content) => {
    const url = await endpoint((_body, response) => completion(response, content));
    const error = await failure(url);
    expect(error.code).toBe('NOF0_LLM_ANSWER_INVALID');
    expect(error.retryable).toBe(false);
    expect(error.faults.length).toBeGreaterThan(0);
    expect(error.details).toMatchObject({ raw: content, promptTokens: 1000, completionTokens: 50, costUsd: 0.0011 });
  });

  it('says when the answer was cut off', async () => {
    const url = await endpoint((_body, response) => completion(response, '{"reasoning": "so mu', { finish: 'length' }));
    const error = await failure(url);
    expect(error.code).toBe('NOF0_LLM_ANSWER_INVALID');
    expect(error.message).toContain('cut off after 800 tokens');
  });

  it('calls a page that is no completion invalid', async () => {
    const url = await endpoint((_body, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<html>welcome</html>');
    });
    expect((await failure(url)).code).toBe('NOF0_LLM_ANSWER_INVALID');
  });

  it('passes on what an error with the status of a success says', async () => {
    const url = await endpoint((_body, response) =>
      json(response, 200, { error: { message: `no credit for ${KEY}` } }),
    );
    const error = await failure(url);
    expect(error).toMatchObject({
      code: 'NOF0_LLM_ANSWER_INVALID',
      message: expect.stringContaining('no credit for [key]'),
    });
  });

  it('passes on how long to wait after a 429, asked once', async () => {
    let requests = 0;
    const url = await endpoint((_body, response) => {
      requests++;
      json(response, 429, { error: { message: 'slow down' } }, { 'retry-after': '7' });
    });
    const error = await failure(url);
    expect(error).toMatchObject({
      code: 'NOF0_LLM_UNAVAILABLE',
      retryable: true,
      details: { statusCode: 429, retryAfterMs: 7000 },
    });
    expect(requests).toBe(1);
  });

  it('measures a Retry-After date against the clock of the server', async () => {
    const headers = { date: 'Tue, 22 Jul 2025 00:00:00 GMT', 'retry-after': 'Tue, 22 Jul 2025 00:00:30 GMT' };
    const url = await endpoint((_body, response) => json(response, 503, { error: { message: 'busy' } }, headers));
    expect((await failure(url)).details).toMatchObject({ statusCode: 503, retryAfterMs: 30_000 });
  });

  it.each([500, 401])('calls HTTP %i unavailable, without the key in the message', async (status) => {
    const url = await endpoint((_body, response) => json(response, status, { error: { message: `refused ${KEY}` } }));
    const error = await failure(url);
    expect(error).toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE', details: { statusCode: status } });
    expect(`${error.message}${JSON.stringify(error.details)}${String(error.cause)}`).not.toContain(KEY);
  });

  it('gives up on an endpoint that hangs', async () => {
    const url = await endpoint(() => undefined);
    const error = await failure(url, { timeoutMs: 80 });
    expect(error).toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE', details: { timeoutMs: 80 } });
  });

  it('gives up on an endpoint that hangs in the middle of its answer', async () => {
    const url = await endpoint((_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"id": ');
    });
    expect((await failure(url, { timeoutMs: 80 })).code).toBe('NOF0_LLM_UNAVAILABLE');
  });

  it('calls an answer that breaks off unavailable', async () => {
    const url = await endpoint((_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '5000' });
      response.write('{"id": ', () => response.destroy());
    });
    expect((await failure(url)).code).toBe('NOF0_LLM_UNAVAILABLE');
  });

  it('calls a closed port unavailable', async () => {
    expect((await failure('http://127.0.0.1:9/v1')).code).toBe('NOF0_LLM_UNAVAILABLE');
  });

  it('does not follow a redirect: nobody else gets the key', async () => {
    const asked: (string | undefined)[] = [];
    const url = await endpoint((_body, response, { url: path, headers }) => {
      asked.push(`${path} ${headers.authorization}`);
      response.writeHead(307, { location: '/elsewhere' });
      response.end();
    });
    const error = await failure(url);
    expect(error).toMatchObject({ code: 'NOF0_LLM_UNAVAILABLE', details: { statusCode: 307, retry: false } });
    expect(error.message).toContain('/elsewhere');
    expect(asked).toEqual([`/v1/chat/completions Bearer ${KEY}`]);
  });

  it('stops reading an answer without end', async () => {
    let sent = 0;
    const url = await endpoint((_body, response) => {
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      const more = () => {
        for (let room = true; room && !response.destroyed; sent += chunk.length) room = response.write(chunk);
      };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.on('drain', more);
      more();
    });
    const error = await failure(url);
    expect(error).toMatchObject({ code: 'NOF0_LLM_ANSWER_INVALID', message: expect.stringContaining('bytes') });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('gives up on an endpoint that sends a byte now and then', async () => {
    const url = await endpoint((_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => (response.destroyed ? clearInterval(drip) : response.write(' ')), 10);
    });
    const error = await failure(url, { timeoutMs: 150 });
    expect(error).toMatchObject({
      code: 'NOF0_LLM_UNAVAILABLE',
      details: { timeoutMs: 150, retry: true, spent: true },
    });
  });

  it('calls bytes that are no UTF-8 invalid', async () => {
    const url = await endpoint((_body, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(Buffer.from([0x7b, 0xff, 0xfe, 0x22, 0xc3, 0x28]));
    });
    expect(await failure(url)).toMatchObject({
      code: 'NOF0_LLM_ANSWER_INVALID',
      message: expect.stringContaining('UTF-8'),
    });
  });

  it('reads an answer with a byte order mark, around the message and in it', async () => {
    const content = `\uFEFF${JSON.stringify(GOOD)}`;
    const url = await endpoint((_body, response) => {
      const choice = { message: { role: 'assistant', content }, finish_reason: 'stop' };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(`\uFEFF${JSON.stringify({ choices: [choice] })}`);
    });
    expect((await modelAt(url).decide(request(), new AbortController().signal)).answer).toEqual(GOOD);
  });

  it('keeps no key that the endpoint sends back', async () => {
    const content = JSON.stringify({ ...GOOD, reasoning: `I was told Bearer ${KEY}` });
    const url = await endpoint((_body, response) => completion(response, content));
    const reply = await modelAt(url).decide(request(), new AbortController().signal);
    expect(JSON.stringify(reply)).not.toContain(KEY);
    expect(reply.answer.reasoning).toBe('I was told Bearer [key]');
  });

  it.each([
    ['a negative number', { prompt_tokens: -1e9, completion_tokens: -5 }],
    ['text', { prompt_tokens: '12', completion_tokens: {} }],
    ['more than anybody can count', { prompt_tokens: 1e300, completion_tokens: 1e15 }],
  ])('estimates the tokens of an endpoint that reports %s', async (_name, usage) => {
    const url = await endpoint((_body, response) => completion(response, JSON.stringify(GOOD), { usage }));
    const reply = await modelAt(url).decide(request(), new AbortController().signal);
    expect(reply.promptTokens).toBeGreaterThan(100);
    expect(reply.completionTokens).toBeGreaterThan(0);
    expect(reply.completionTokens).toBeLessThan(1000);
  });

  it("says that it was aborted when the caller's signal fires", async () => {
    const controller = new AbortController();
    const url = await endpoint(() => controller.abort(new Error('lock lost')));
    const error = await failure(url, {}, controller.signal);
    expect(error.code).toBe('NOF0_JOB_ABORTED');
    expect(error.message).toContain('lock lost');
  });
});
