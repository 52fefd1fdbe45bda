/** Addresses of the API. */

import type { z } from 'zod';
import { CONTROL_ENDPOINTS } from '../../src/http/control-endpoints.ts';
import { ENDPOINTS } from '../../src/http/endpoints.ts';
import { OPS_ENDPOINTS } from '../../src/http/ops-endpoints.ts';
import { code, table } from './table.ts';

export function endpointTables(): string {
  const queries = ENDPOINTS.flatMap(({ path: address, query }) =>
    fieldsOf(query).map(([name, meaning]) => [code(`/api${address}`), code(name), meaning]),
  );
  return [
    table(
      ['address', 'answers with', 'fields'],
      ENDPOINTS.map(({ path: address, about, answer, serverTime }) => {
        const names = [...Object.keys(answer.shape), ...(serverTime ? ['serverTime'] : [])];
        return [code(`/api${address}`), about, names.map(code).join(', ')];
      }),
    ),
    table(['address', 'parameter', 'meaning'], queries),
  ].join('\n\n');
}

export function opsTable(): string {
  return table(
    ['`GET`', 'answers with', 'parameters'],
    OPS_ENDPOINTS.map(({ path: address, about, query }) => [
      code(`/api/ops${address}`),
      about,
      fieldsOf(query)
        .map(([name, meaning]) => `${code(name)} ${meaning.replace(/\.$/, '')}`)
        .join('; '),
    ]),
  );
}

export function controlTable(): string {
  return table(
    ['`POST`', 'does', 'body'],
    CONTROL_ENDPOINTS.map(({ path: address, about, body }) => [
      code(`/api/control${address}`),
      about,
      fieldsOf(body)
        .map(([name]) => code(name))
        .join(', '),
    ]),
  );
}

/** Names and meanings of an object's fields. */
function fieldsOf(schema: z.ZodObject): [name: string, meaning: string][] {
  return Object.entries(schema.shape as Record<string, z.ZodType>).map(([name, field]) => [
    name,
    field.description ?? '',
  ]);
}
