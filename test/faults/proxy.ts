/**
 * A TCP proxy in front of a real server: the server may come back on another port, connections can go silent without being closed,
 * and what a client says can be watched, so that an answer is kept back at exactly the wrong moment.
 */

import { connect, createServer, type Socket } from 'node:net';

/** Sees what a client sends. The answer `hold`: what it just sent reaches the server, what the server answers does not come back. */
export type Listener = (chunk: Buffer) => 'pass' | 'hold';

type Pair = { readonly client: Socket; readonly server: Socket; held: boolean };

export class FaultProxy {
  readonly #pairs = new Set<Pair>();
  readonly #server = createServer((client) => this.#join(client));
  #target: number;
  #silent = false;
  /** Makes a listener for every new connection. */
  listen: (() => Listener) | null = null;

  private constructor(target: number) {
    this.#target = target;
  }

  static async open(targetPort: number): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** New connections lead to this port from now on. */
  retarget(port: number): void {
    this.#target = port;
  }

  /** Forwards nothing any more, closes nothing: both sides believe in each other. New connections are accepted and stay silent, too. */
  silence(): void {
    this.#silent = true;
    for (const { client, server } of this.#pairs) {
      client.pause();
      server.pause();
    }
  }

  /** Ends the silence: connections from before are reset, new ones work. */
  reset(): void {
    this.#silent = false;
    for (const pair of this.#pairs) destroy(pair);
  }

  async close(): Promise<void> {
    for (const pair of this.#pairs) destroy(pair);
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Cuts the connections whose answers are being held. Returns how many there were. */
  cutHeld(): number {
    const held = [...this.#pairs].filter((pair) => pair.held);
    for (const pair of held) destroy(pair);
    return held.length;
  }

  #join(client: Socket): void {
    const server = connect(this.#target, '127.0.0.1');
    const pair: Pair = { client, server, held: false };
    this.#pairs.add(pair);
    const listener = this.listen?.() ?? null;
    client.on('data', (chunk) => {
      if (listener?.(chunk) === 'hold') pair.held = true;
      server.write(chunk);
    });
    server.on('data', (chunk) => {
      if (!pair.held) client.write(chunk);
    });
    for (const socket of [client, server]) {
      // Resets are what this proxy is for; the other side hears of them by its own socket.
      socket.on('error', () => destroy(pair));
      socket.on('close', () => {
        this.#pairs.delete(pair);
        if (!this.#silent) destroy(pair);
      });
    }
    if (this.#silent) {
      client.pause();
      server.pause();
    }
  }
}

function destroy({ client, server }: Pair): void {
  if (!client.destroyed) client.resetAndDestroy();
  server.destroy();
}
