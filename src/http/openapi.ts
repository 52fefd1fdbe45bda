/**
 * The published description of the API. OpenAPI 3.1 speaks JSON Schema, and so do the schemas that check queries and bodies and that the
 * answers are held to: they are published as they are.
 */

import { z } from 'zod';
import { failure } from './answer-schemas.ts';
import { CONTROL_ENDPOINTS, type ControlEndpoint } from './control-endpoints.ts';
import { ENDPOINTS, type Endpoint } from './endpoints.ts';
import { health, readiness } from './operations.ts';
import { OPS_ENDPOINTS, type OpsEndpoint } from './ops-endpoints.ts';
import { caller } from './ops-schemas.ts';
import { STREAM_PATH, streamQuery } from './stream-topics.ts';

type Json = Readonly<Record<string, unknown>>;

let document: Json | null = null;

/** The same object every time. */
export function openApiDocument(): Json {
  document ??= {
    openapi: '3.1.0',
    info: {
      title: 'NOF0 arena',
      version: '1',
      description:
        'Reads of the arena, a stream of what happens, what operators look at, and controls. Times inside trades, positions, analytics and account totals are Unix seconds; prices and serverTime are milliseconds.',
    },
    components: {
      schemas: { Failure: schemaOf(failure, 'output') },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, basic: { type: 'http', scheme: 'basic' } },
    },
    paths: Object.fromEntries([
      ...ENDPOINTS.map((endpoint) => [`/api${endpoint.path}`, { get: readOperation(endpoint) }]),
      [`/api${STREAM_PATH}`, { get: streamOperation() }],
      ['/api/openapi.json', { get: dataOperation('this description', z.looseObject({ openapi: z.string() }), OPEN) }],
      ['/healthz', { get: dataOperation('whether the process lives', health, []) }],
      ['/readyz', { get: readinessOperation() }],
      ['/metrics', { get: textOperation('Prometheus metrics', 'text/plain') }],
      ...OPS_ENDPOINTS.map((endpoint) => [`/api/ops${endpoint.path}`, { get: opsOperation(endpoint) }]),
      ...CONTROL_ENDPOINTS.map((endpoint) => [`/api/control${endpoint.path}`, { post: controlOperation(endpoint) }]),
    ]),
  };
  return document;
}

/** `input`: what a caller sends; `output`: what he gets. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}

/** An answer's schema with what is added to it on its way. */
export function publishedAnswer({ answer, serverTime }: Pick<Endpoint, 'answer' | 'serverTime'>): Json {
  const timed = serverTime ? answer.extend({ serverTime: z.number().describe('Unix milliseconds.') }) : answer;
  return schemaOf(timed, 'output');
}

function readOperation(endpoint: Endpoint): Json {
  const places = [...endpoint.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  return {
    summary: endpoint.about,
    parameters: [
      ...places.map((name) => ({ name, in: 'path', required: true, schema: { type: 'string' } })),
      ...queryParameters(endpoint.query),
    ],
    responses: {
      200: {
        description: endpoint.about,
        headers: {
          ETag: { description: 'Send it back as If-None-Match.', schema: { type: 'string' } },
          'X-Nof0-Degraded': {
            description: 'There when the cache is away and Postgres answers.',
            schema: { type: 'string' },
          },
        },
        content: json(publishedAnswer(endpoint)),
      },
      304: { description: 'What the caller has is what there is.' },
      ...failures,
    },
    security: OPEN,
  };
}

function queryParameters(query: z.ZodObject): Json[] {
  const { properties = {}, required = [] } = schemaOf(query, 'input') as {
    properties?: Record<string, { description?: string }>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema },
    ...(description === undefined ? {} : { description }),
  }));
}

function streamOperation(): Json {
  return {
    summary: 'what happens, as server-sent events',
    parameters: [
      ...queryParameters(streamQuery),
      {
        name: 'Last-Event-ID',
        in: 'header',
        description: 'Go on behind this event; browsers send it by themselves.',
        schema: { type: 'string' },
      },
    ],
    responses: {
      200: { description: 'Events until one side ends it.', content: { 'text/event-stream': {} } },
      ...failures,
    },
    security: OPEN,
  };
}

/** Where somebody may control; the address does not exist elsewhere. */
function opsOperation({ about, query, answer }: OpsEndpoint): Json {
  const operation = dataOperation(about, answer.extend({ caller }), SECURITY);
  return { ...operation, parameters: queryParameters(query) };
}

function dataOperation(about: string, answer: z.ZodType, security: readonly Json[]): Json {
  return {
    summary: about,
    responses: { 200: { description: about, content: json(schemaOf(answer, 'output')) }, ...failures },
    security,
  };
}

function readinessOperation(): Json {
  const content = json(schemaOf(readiness, 'output'));
  return {
    summary: 'whether it can work: without the cache it can, and more slowly',
    responses: {
      200: { description: 'It can.', content },
      503: { description: 'Postgres or the queue Redis is away.', content },
    },
    security: [],
  };
}

const textOperation = (about: string, type: string): Json => ({
  summary: about,
  responses: { 200: { description: about, content: { [type]: {} } } },
  security: [],
});

function controlOperation({ about, body, answer }: ControlEndpoint): Json {
  return {
    summary: about,
    requestBody: { required: true, content: json(schemaOf(body, 'input')) },
    responses: { 200: { description: about, content: json(schemaOf(answer, 'output')) }, ...failures },
    security: SECURITY,
  };
}

const SECURITY: readonly Json[] = [{ bearer: [] }, { basic: [] }];
/** Also without a credential, where reads are open. */
const OPEN: readonly Json[] = [{}, ...SECURITY];
const json = (schema: Json) => ({ 'application/json': { schema } });
const failures = {
  default: {
    description: 'A coded error.',
    content: json({ $ref: '#/components/schemas/Failure' }),
  },
};
