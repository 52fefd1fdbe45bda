/** Listens for the HTTP application. */

import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { CodedError, messageOf } from '../errors.ts';
import type { Resources } from '../resources.ts';
import { createApi } from './api.ts';
import { isLoopback } from './dashboard.ts';

const DEFAULT_PORT = 4280;
/** How long requests that are being answered may take when the server closes. */
const CLOSE_GRACE_MS = 1000;

export type HttpServer = { readonly url: string; close(): Promise<void> };

/**
 * Serves the API. Port null: 4280, or any free one when that is taken; 0: any free one.
 *
 * @throws NOF0_CONFIG_INVALID when the address cannot be listened on
 */
export async function startHttp(
  resources: Resources,
  options: { readonly host: string; readonly port: number | null },
): Promise<HttpServer> {
  const { host, port } = options;
  if (!isLoopback(host)) resources.logger.info({ host }, 'no queue dashboard: the API listens beyond this machine');
  const { fetch } = createApi(resources, { host });
  const server = createAdaptorServer({ fetch, overrideGlobalObjects: false }) as Server;
  await listenSomewhere(server, host, port);
  // A fault of one connection must not end the process.
  server.on('error', (error) => resources.logger.warn({ error: error.message }, 'http server'));
  let closing: Promise<void> | null = null;
  return {
    url: urlOf(server, host),
    close: () => {
      closing ??= close(server);
      return closing;
    },
  };
}

async function listenSomewhere(server: Server, host: string, port: number | null): Promise<void> {
  try {
    await listen(server, host, port ?? DEFAULT_PORT).catch(async (error: unknown) => {
      if (port !== null || errnoOf(error) !== 'EADDRINUSE') throw error;
      await listen(server, host, 0);
    });
  } catch (error) {
    throw cannotListen(error, host, port ?? DEFAULT_PORT);
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

function cannotListen(error: unknown, host: string, port: number): CodedError {
  const isTaken = errnoOf(error) === 'EADDRINUSE';
  const reason = isTaken
    ? `port ${port} on ${host} is taken by another program; choose another NOF0_HTTP_PORT or leave it unset`
    : `the API cannot listen on ${host}, port ${port}: ${messageOf(error)}`;
  const fault = isTaken
    ? { path: 'NOF0_HTTP_PORT', expected: 'a port that is free' }
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
