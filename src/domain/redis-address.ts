/** Addresses of Redis: of one server, or of a cluster by some of its nodes. */

export const REDIS_PROTOCOLS = ['redis:', 'rediss:', 'redis+cluster:', 'rediss+cluster:'] as const;

export type RedisAddress = {
  readonly cluster: boolean;
  /** Where to ask first: the server, or nodes of the cluster; at least one. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
  /** Number of the database; a cluster has only 0. */
  readonly database: number;
};

const DEFAULT_PORT = 6379;

/**
 * Reads `redis://[user:password@]host[:port][/database]` or `redis+cluster://[user:password@]host:port,host:port`; `rediss` instead of
 * `redis` means TLS. Null for anything else.
 */
export function parseRedisAddress(text: string): RedisAddress | null {
  const [, scheme, tls, cluster, credentials = '', hosts = '', path = ''] =
    /^(redis(s?)(\+cluster)?):\/\/(?:([^@/]*)@)?([^@/]+)(?:\/(\d*))?$/i.exec(text) ?? [];
  if (scheme === undefined) return null;
  const names = cluster ? hosts.split(',') : [hosts];
  const urls = names.map((name) => `redis://${credentials === '' ? '' : `${credentials}@`}${name}`);
  const [first] = urls;
  if (first === undefined || !urls.every((url) => URL.canParse(url)) || (cluster && Number(path) !== 0)) return null;
  const { username, password } = new URL(first);
  const nodes = urls.map((url) => {
    const { hostname, port } = new URL(url);
    return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || DEFAULT_PORT) };
  });
  return {
    cluster: cluster !== undefined,
    nodes,
    tls: tls !== '',
    username: username === '' ? null : decodeURIComponent(username),
    password: password === '' ? null : decodeURIComponent(password),
    database: Number(path),
  };
}
