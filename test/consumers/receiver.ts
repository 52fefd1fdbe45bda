/** A receiver of posted trades on loopback that does what a test tells it. */

import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Received = { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string };

/** How a request is answered: a status, or whatever the function does with it. */
export type Reaction = number | ((response: ServerResponse, received: Received) => void);

export type Receiver = {
  readonly url: string;
  readonly received: Received[];
  /** Ids in the order in which they came. */
  ids(): unknown[];
  close(): Promise<void>;
};

/** Reacts to the first requests one after the other, and takes all later ones. */
export async function startReceiver(...reactions: Reaction[]): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const one = { path: request.url ?? '', headers: request.headers, body };
      received.push(one);
      const reaction = reactions.shift() ?? 204;
      if (typeof reaction === 'number') response.writeHead(reaction).end();
      else reaction(response, one);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    ids: () => received.map(({ headers }) => headers['webhook-id']),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
