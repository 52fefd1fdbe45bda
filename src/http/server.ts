/**
 * Listens for the HTTP application, or for the probes of a process that serves no API. Both are loaded when they are asked for: they and
 * their libraries are much of what a command loads, and most commands serve nothing.
 */

import type { Server } from 'node:http';
import type { Hono } from 'hono';
import { CodedError, messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import type { Logger } from '../telemetry/logger.ts';

/** Of the API, when nobody has chosen one. */
export const DEFAULT_PORT = 4280;
/** How long requests that are being answered may take when the server closes. */
const CLOSE_GRACE_MS = 1000;

export type HttpServer = { readonly url: string; close(): Promise<void> };

/**
 * Serves the API. Port null: 4280, or any free one when that is taken; 0: any free one.
 *
 * @throws NOF0_CONFIG_INVALID when the address cannot be listened on, or is one that others reach and nothing says who may do what
 */
export async function startHttp(
  resources: Resources,
  options: { readonly host: string; readonly port: number | null },
): Promise<HttpServer> {
  const { host, port } = options;
  const [{ assertReachable }, { createApi }] = await Promise.all([import('./access.ts'), import('./api.ts')]);
  assertReachable(resources.config, host);
  const closing = new AbortController();
  const api = createApi(resources, { host, closing: closing.signal });
  return serve(api, resources.logger, { host, port, variable: 'NOF0_HTTP_PORT' }, closing);
}

/**
 * Serves /healthz, /readyz and /metrics of a process without an API, and nothing else. Port 0: any free one.
 *
 * @throws NOF0_CONFIG_INVALID when the address cannot be listened on
 */
export async function startProbes(
  resources: Resources,
  options: { readonly host: string; readonly port: number },
): Promise<HttpServer> {
  const { createProbes } = await import('./api.ts');
  return serve(createProbes(resources), resources.logger, { ...options, variable: 'NOF0_METRICS_PORT' });
}

type Address = {
  readonly host: string;
  /** Null: the usual one, or any free one when that is taken. */
  readonly port: number | null;
  /** Environment variable to name when the port cannot be had. */
  readonly variable: 'NOF0_HTTP_PORT' | 'NOF0_METRICS_PORT';
};

/** `closing` is aborted when the server begins to close. */
async function serve(
  { fetch }: Hono,
  logger: Logger,
  address: Address,
  closing = new AbortController(),
): Promise<HttpServer> {
  const { createAdaptorServer } = await import('@hono/node-server');
  const server = createAdaptorServer({ fetch }) as Server;
  await listenSomewhere(server, address);
  // A fault of one connection must not end the process.
  server.on('error', (error) => logger.warn({ error: error.message }, 'http server'));
  let closed: Promise<void> | null = null;
  return {
    url: urlOf(server, address.host),
    close: () => {
      closed ??= close(server);
      closing.abort();
      return closed;
    },
  };
}

async function listenSomewhere(server: Server, address: Address): Promise<void> {
  const { host, port } = address;
  try {
    await listen(server, host, port ?? DEFAULT_PORT).catch(async (error: unknown) => {
      if (port !== null || errnoOf(error) !== 'EADDRINUSE') throw error;
      await listen(server, host, 0);
    });
  } catch (error) {
    throw cannotListen(error, { ...address, port: port ?? DEFAULT_PORT });
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function cannotListen(error: unknown, { host, port, variable }: Address): CodedError {
  const isTaken = errnoOf(error) === 'EADDRINUSE';
  const reason = isTaken
    ? `port ${port} on ${host} is taken by another program; choose another ${variable} or leave it unset`
    : `this process cannot listen on ${host}, port ${port}: ${messageOf(error)}`;
  const fault = isTaken
    ? { path: variable, expected: 'a port that is free' }
    : { path: 'NOF0_HTTP_HOST', expected: 'an address of this machine and a port this user may open' };
  return new CodedError('NOF0_CONFIG_INVALID', reason, { cause: error, faults: [fault] });
}

/** An address that a browser on this machine can open. */
function urlOf(server: Server, host: string): string {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** Takes no more requests, lets the running ones end, and cuts whatever is still open after the grace. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function errnoOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
