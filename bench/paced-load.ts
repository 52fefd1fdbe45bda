/**
 * Requests at an even rate, whatever becomes of those before them: an answer's time counts from the moment its request was due, so that
 * neither a server that stands still nor a generator that is late can hide it. (autocannon's own rate sends what a second holds at its
 * beginning, each connection as fast as it can.)
 */

import { Agent, get } from 'node:http';
import { quantile } from './stage.ts';

const TICK_MS = 1;

export type Load = {
  readonly url: string;
  readonly paths: readonly string[];
  /** Requests a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
};

/** How long answers took. Throws when one was no success. */
export async function pacedLoad({
  url,
  paths,
  rate,
  seconds,
  connections,
}: Load): Promise<{ p50Ms: number; p99Ms: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const total = rate * seconds;
  const tookMs: number[] = [];
  const begunMs = performance.now();
  await new Promise<void>((resolve, reject) => {
    let sent = 0;
    const send = () => {
      const dueMs = begunMs + (sent * 1000) / rate;
      const path = paths[sent % paths.length] ?? '/';
      sent += 1;
      const asked = get(`${url}${path}`, { agent }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`${path} answered ${response.statusCode}`));
        response.resume().once('end', () => {
          tookMs.push(performance.now() - dueMs);
          if (tookMs.length === total) resolve();
        });
      });
      asked.once('error', reject);
    };
    const timer = setInterval(() => {
      const dueCount = Math.min(total, ((performance.now() - begunMs) * rate) / 1000);
      while (sent < dueCount) send();
      if (sent === total) clearInterval(timer);
    }, TICK_MS);
  }).finally(() => agent.destroy());
  return { p50Ms: quantile(tookMs, 0.5), p99Ms: quantile(tookMs, 0.99) };
}
