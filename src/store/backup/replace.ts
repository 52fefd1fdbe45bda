/** Puts a database in the place of another in one step, and never on top of it. */

import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { CodedError } from '../../errors.ts';

/** A connection that was just closed is seen for a moment longer. */
const GONE_MS = 2000;

export type Replacement = {
  /** Address of the new database while it is filled. */
  readonly url: string;
  /**
   * Gives the new database the old one's name. Returns the name that the old one has from now on; null when it held no run and was
   * dropped.
   *
   * @throws NOF0_RUN_BUSY when somebody has connected meanwhile; nothing is changed then
   */
  swap(): Promise<string | null>;
  /** Drops what was filled in vain. */
  discard(): Promise<void>;
};

/**
 * Makes an empty database beside the one of the address.
 *
 * @throws NOF0_RUN_BUSY while others are connected: what they go on writing would be lost, and what they know would be wrong
 */
export async function replacementFor(databaseUrl: string, now = new Date()): Promise<Replacement> {
  const name = decodeURIComponent(new URL(databaseUrl).pathname.slice(1));
  const beside = `${name.slice(0, 40)}_restoring`;
  const before = `${name.slice(0, 40)}_before_${now.toISOString().slice(0, 19).replace(/[-:T]/g, '')}`;
  const url = new URL(databaseUrl);
  url.pathname = `/${encodeURIComponent(beside)}`;
  await asAdmin(databaseUrl, async (client) => {
    await assertAlone(client, name);
    await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(beside)} WITH (FORCE)`);
    await client.query(`CREATE DATABASE ${client.escapeIdentifier(beside)} TEMPLATE template0`);
  });
  return {
    url: url.toString(),
    async swap() {
      const isEmpty = !(await holdsRun(databaseUrl));
      return asAdmin(databaseUrl, async (client) => {
        await assertAlone(client, name);
        const [old, kept, filled] = [name, before, beside].map((each) => client.escapeIdentifier(each));
        await client.query(
          `BEGIN; ALTER DATABASE ${old} RENAME TO ${kept}; ALTER DATABASE ${filled} RENAME TO ${old}; COMMIT`,
        );
        if (!isEmpty) return before;
        await client.query(`DROP DATABASE ${kept}`);
        return null;
      });
    },
    discard: () =>
      asAdmin(databaseUrl, async (client) => {
        await client.query(`DROP DATABASE IF EXISTS ${client.escapeIdentifier(beside)} WITH (FORCE)`);
      }),
  };
}

/** Drops a database that was replaced. */
export async function dropDatabase(databaseUrl: string, name: string): Promise<void> {
  await asAdmin(databaseUrl, async (client) => {
    await client.query(`DROP DATABASE ${client.escapeIdentifier(name)} WITH (FORCE)`);
  });
}

async function holdsRun(databaseUrl: string): Promise<boolean> {
  const client = await connect(databaseUrl);
  try {
    const found = await client.query<{ there: boolean }>(`SELECT to_regclass('public.runs') IS NOT NULL AS there`);
    return found.rows[0]?.there === true;
  } finally {
    await client.end();
  }
}

async function assertAlone(client: pg.Client, name: string): Promise<void> {
  const deadline = Date.now() + GONE_MS;
  let others = await connectedTo(client, name);
  while (others.length > 0 && Date.now() < deadline) {
    await sleep(50);
    others = await connectedTo(client, name);
  }
  if (others.length === 0) return;
  throw new CodedError(
    'NOF0_RUN_BUSY',
    `stop all processes of the run first; connected to its database: ${others.join(', ')}`,
  );
}

async function connectedTo(client: pg.Client, name: string): Promise<string[]> {
  const others = await client.query<{ who: string }>(
    `SELECT DISTINCT coalesce(nullif(application_name, ''), 'a client without a name') AS who FROM pg_stat_activity
     WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'`,
    [name],
  );
  return others.rows.map(({ who }) => who);
}

/** Runs on the server's own database, from where others are made and renamed. */
async function asAdmin<T>(databaseUrl: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const url = new URL(databaseUrl);
  url.pathname = '/postgres';
  const client = await connect(url.toString());
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'nof0 restore' });
  // What goes wrong rejects the statement that is under way.
  client.on('error', () => {});
  await client.connect();
  return client;
}
