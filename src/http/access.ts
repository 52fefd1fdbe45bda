/**
 * Who may do what: reads, controls and the dashboard. Without credentials an API on loopback is open to this machine, and one beyond
 * it controls nothing.
 */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { auth as basicAuth } from 'hono/utils/basic-auth';
import type { Config } from '../config.ts';
import { CodedError } from '../errors.ts';
import { fail } from './failure.ts';

type Credential = Config['http']['credentials'][number];
export type Caller = Pick<Credential, 'name' | 'role'>;

/** Whoever uses an API without credentials, as the audit log names him. */
const LOCAL: Caller = { name: 'loopback', role: 'operator' };
const CHALLENGE = 'Basic realm="nof0", charset="UTF-8"';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export class Access {
  readonly #http: Config['http'];
  readonly #isLocal: boolean;

  constructor(http: Config['http'], host: string) {
    this.#http = http;
    this.#isLocal = isLoopback(host);
  }

  /** Whether there is anybody who may control, so that controls and the dashboard are worth offering. */
  get hasControls(): boolean {
    return this.#isLocal || this.#http.credentials.length > 0;
  }

  /** Whether everybody may read: on loopback, and where reads are public. */
  get hasOpenReads(): boolean {
    return this.#isLocal || this.#http.publicReads;
  }

  /** Lets reads through: of everybody where they are open, else of whoever has a credential. */
  readonly reads: MiddlewareHandler = (c, next) => {
    if (this.hasOpenReads || this.#identify(c) !== null) return next();
    return Promise.resolve(unauthenticated(c));
  };

  /** Lets operators through, and viewers as far as they only look. What passes knows its `caller`. */
  readonly controls: MiddlewareHandler = async (c, next) => {
    const caller = this.#http.credentials.length === 0 ? this.#local(c) : this.#identify(c);
    if (caller === null) return this.#http.credentials.length === 0 ? foreign(c) : unauthenticated(c);
    const isLooking = SAFE_METHODS.has(c.req.method);
    if (!isLooking && !isOwnPage(c)) return foreign(c);
    if (!isLooking && caller.role !== 'operator')
      return fail(c, { code: 'NOF0_FORBIDDEN', message: `${caller.name} may look and not control` });
    c.set('caller', caller);
    return next();
  };

  #identify(c: Context): Caller | null {
    const given = secretOf(c);
    if (given === null) return null;
    let found: Credential | null = null;
    // Every one is compared, so that the time taken tells nothing about any of them.
    for (const credential of this.#http.credentials) {
      const matches = isSame(credential.secret, given.secret);
      if (matches && (given.name === null || given.name === credential.name)) found = credential;
    }
    return found === null ? null : { name: found.name, role: found.role };
  }

  /** A person at this machine. A proxy in front would bring others along, and a page of a stranger its own host or origin. */
  #local(c: Context): Caller | null {
    const isForwarded = ['forwarded', 'x-forwarded-for', 'x-forwarded-host'].some((name) => c.req.header(name));
    const host = c.req.header('host') ?? new URL(c.req.url).host;
    return this.#isLocal && !isForwarded && isLoopback(hostname(`http://${host}`)) && isOwnPage(c) ? LOCAL : null;
  }
}

/** The caller of a request that `controls` let through. */
export function callerOf(c: Context): Caller {
  const caller = c.get('caller') as Caller | undefined;
  if (caller === undefined) throw new CodedError('NOF0_INTERNAL', 'a control without a caller');
  return caller;
}

/** Whether a host name or address means this machine. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  return name === 'localhost' || name === '::1' || /^(::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name);
}

/** What a configuration must have before an API may be reached from beyond this machine. */
export function assertReachable({ http }: Config, host: string): void {
  if (isLoopback(host) || http.publicReads || http.credentials.length > 0) return;
  throw new CodedError(
    'NOF0_CONFIG_INVALID',
    `the API would listen on ${host}, where others reach it, and nothing says who may do what: set NOF0_HTTP_TOKENS, or PUBLIC_READS=1 for reads without controls`,
    { faults: [{ path: 'NOF0_HTTP_TOKENS', expected: 'somebody who may control, or PUBLIC_READS=1' }] },
  );
}

function secretOf(c: Context): { name: string | null; secret: string } | null {
  const bearer = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1];
  if (bearer !== undefined) return { name: null, secret: bearer };
  const basic = basicAuth(c.req.raw);
  return basic === undefined ? null : { name: basic.username, secret: basic.password };
}

/** Digests are of one length whatever was given, and equal for equal secrets alone. */
function isSame(secret: string, given: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(secret), digest(given));
}

/** Whether the request comes from a page of ours or from no page: browsers send along who asks, and passwords whoever asks. */
function isOwnPage(c: Context): boolean {
  const site = c.req.header('sec-fetch-site');
  if (site !== undefined) return site === 'same-origin' || site === 'none';
  const origin = c.req.header('origin');
  if (origin === undefined) return true;
  const hosts = [c.req.header('host'), c.req.header('x-forwarded-host')];
  return URL.canParse(origin) && hosts.includes(new URL(origin).host);
}

function hostname(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}

function unauthenticated(c: Context) {
  c.header('WWW-Authenticate', CHALLENGE);
  const message = 'this needs a bearer token or a name and its secret by basic auth (NOF0_HTTP_TOKENS)';
  return fail(c, { code: 'NOF0_UNAUTHENTICATED', message });
}

function foreign(c: Context) {
  const message =
    'controls and the dashboard answer requests of their own pages and of programs, and without credentials those of this machine to itself alone';
  return fail(c, { code: 'NOF0_FORBIDDEN', message });
}
