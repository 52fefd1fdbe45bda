/** Addresses of a Redis cluster: some of its nodes, from which the others are found. */

export type ClusterAddress = {
  /** Nodes to ask first; at least one. */
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username: string | null;
  readonly password: string | null;
};

const DEFAULT_PORT = 6379;

/**
 * Reads `redis+cluster://[user:password@]host:port,host:port`; `rediss+cluster` means TLS. Null for anything else, a plain Redis address
 * among them. A cluster has one database, so a path other than `/0` makes no sense either.
 */
export function parseClusterAddress(text: string): ClusterAddress | null {
  const [, tls, credentials = '', hosts] = /^redis(s?)\+cluster:\/\/(?:([^/]*)@)?([^@/]+)(?:\/0?)?$/i.exec(text) ?? [];
  if (hosts === undefined) return null;
  const urls = hosts.split(',').map((host) => `redis://${credentials === '' ? '' : `${credentials}@`}${host}`);
  const [first] = urls;
  if (first === undefined || !urls.every((url) => URL.canParse(url) && new URL(url).hostname !== '')) return null;
  const { username, password } = new URL(first);
  return {
    nodes: urls.map((url) => {
      const { hostname, port } = new URL(url);
      return { host: hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(port || DEFAULT_PORT) };
    }),
    tls: tls !== '',
    username: username === '' ? null : decodeURIComponent(username),
    password: password === '' ? null : decodeURIComponent(password),
  };
}
