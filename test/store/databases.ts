/** Empty databases on the test run's Postgres, for tests of the schema itself. */

import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';

export type FreshDatabase = {
  readonly url: string;
  /** A client of its own; closed with the database. */
  connect(): Promise<pg.Client>;
  query<T extends object>(text: string, values?: unknown[]): Promise<T[]>;
  drop(): Promise<void>;
};

export async function createEmptyDatabase(): Promise<FreshDatabase> {
  const name = `s_${randomBytes(5).toString('hex')}`;
  await maintain(`CREATE DATABASE ${name} TEMPLATE template0`);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  const clients: pg.Client[] = [];
  const connect = async () => {
    const client = new pg.Client({ connectionString: url.toString() });
    clients.push(client);
    await client.connect();
    return client;
  };
  let first: Promise<pg.Client> | undefined;
  return {
    url: url.toString(),
    connect,
    async query<T extends object>(text: string, values?: unknown[]) {
      first ??= connect();
      return (await (await first).query<T>(text, values)).rows;
    },
    async drop() {
      await Promise.all(clients.map((client) => client.end()));
      await maintain(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}

async function maintain(statement: string): Promise<void> {
  const url = new URL(inject('databaseUrl'));
  url.pathname = '/postgres';
  const client = new pg.Client({ connectionString: url.toString() });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
