/**
 * One pool for everything. Commit paths are one statement or one client of this pool (measured several times faster than an
 * ORM's interactive transaction); Prisma shares it for ordinary reads and writes and owns schema and types.
 */

import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
import { sha256 } from '../domain/random.ts';
import { CodedError, isDatabaseOutage, messageOf } from '../errors.ts';
import { commitName, crossing, pass, writesOf } from '../telemetry/boundaries.ts';
import { assertNotAborted } from '../telemetry/work.ts';
import { PrismaClient } from './generated/client.ts';

export type Row = Record<string, unknown>;

/** Anything that can run a statement: the pool itself or the client of a transaction. */
export interface Queryable {
  /**
   * Runs one statement, prepared once a connection, and returns its rows. BIGINT comes as number. Statements of one transaction that do
   * not wait for each other's answers leave together; they are carried out in their order.
   */
  query<T extends object = Row>(text: string, values?: unknown[]): Promise<T[]>;
}

const INT8 = 20;
const NUMERIC_TIMESTAMPS = new Map<number, (text: string) => unknown>([[INT8, parseInt8]]);

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new CodedError('NOF0_INTERNAL', `BIGINT ${text} does not fit into a number`);
  return value;
}

const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    return (NUMERIC_TIMESTAMPS.get(oid) ?? pg.types.getTypeParser(oid, format)) as never;
  },
};

const statementNames = new Map<string, string>();

function statementName(text: string): string {
  let name = statementNames.get(text);
  if (name === undefined) {
    name = `s${sha256(text).slice(0, 24)}`;
    statementNames.set(text, name);
  }
  return name;
}

async function run<T extends object>(client: pg.Pool | pg.PoolClient, text: string, values: unknown[]): Promise<T[]> {
  assertNotAborted();
  const result = await client.query<T>({ name: statementName(text), text, values });
  return result.rows;
}

/** A promise that somebody looks at later: until then its failure is nobody's. */
function unheard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

export class Database implements Queryable {
  readonly prisma: PrismaClient;
  readonly #pool: pg.Pool;

  constructor(url: string, options: { max: number; applicationName: string; onError: (error: Error) => void }) {
    this.#pool = new pg.Pool({
      connectionString: url,
      max: options.max,
      application_name: options.applicationName,
      connectionTimeoutMillis: 5000,
      idleTimeoutMillis: 30_000,
      types,
      // A transaction begins with its first statement and ends with its last one: neither costs a journey of its own.
      pipeline: true,
    });
    // A connection that dies reports to the pool while it is idle and by itself while it is in use; unheard either would end the process.
    this.#pool.on('error', options.onError);
    this.#pool.on('connect', (client) => client.on('error', options.onError));
    this.prisma = new PrismaClient({ adapter: new PrismaPg(this.#pool) });
  }

  query<T extends object = Row>(text: string, values: unknown[] = []): Promise<T[]> {
    const writes = writesOf(text);
    return writes.length === 0
      ? run<T>(this.#pool, text, values)
      : crossing(commitName(writes), () => run<T>(this.#pool, text, values));
  }

  /**
   * Runs `work` in one READ COMMITTED transaction on one client. Rolls back when it throws. Work must be quick and do no
   * other I/O: a transaction open over a network call would hold its locks for that long. `last` runs the last statement of all, which
   * leaves together with the commit: whoever wants to take it back after seeing its rows must not use it. `relaxed`: the commit need not
   * have reached the disk when this returns (docs/adr/0008-relaxed-commits.md).
   */
  async transaction<T>(work: (tx: Queryable, last: Queryable) => Promise<T>, { relaxed = false } = {}): Promise<T> {
    const client = await this.#pool.connect();
    const writes = new Set<string>();
    let broken: Error | undefined;
    // The pool listens to idle connections only; one that dies in our hands would end the process.
    const onError = (error: Error) => {
      broken = error;
    };
    client.on('error', onError);
    let committing: Promise<unknown> | null = null;
    const statement = <R extends object = Row>(text: string, values: unknown[] = []) => {
      if (committing !== null)
        throw new CodedError('NOF0_INTERNAL', 'a statement came after the last one of its transaction');
      for (const write of writesOf(text)) writes.add(write);
      return run<R>(client, text, values);
    };
    const commit = () => {
      if (writes.size > 0) pass(commitName(writes), 'before');
      assertNotAborted();
      committing = unheard(client.query('COMMIT'));
      return committing;
    };
    try {
      const begun = unheard(client.query(relaxed ? 'BEGIN; SET LOCAL synchronous_commit TO off' : 'BEGIN'));
      const last = {
        query: async <R extends object = Row>(text: string, values: unknown[] = []) => {
          const rows = unheard(statement<R>(text, values));
          // If the statement fails, Postgres makes a rollback of the commit behind it.
          commit();
          return rows;
        },
      };
      const result = await work({ query: statement }, last);
      await begun;
      await (committing ?? commit());
      if (writes.size > 0) pass(commitName(writes), 'after');
      return result;
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackError: unknown) => {
        broken = rollbackError instanceof Error ? rollbackError : new Error(messageOf(rollbackError));
      });
      throw error;
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  /** Wall time of the database, Unix ms: the one clock that all processes share. */
  async nowMs(): Promise<number> {
    const rows = await this.query<{ now: number }>(
      'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now',
    );
    return rows[0]?.now ?? 0;
  }

  /** Throws NOF0_DATABASE_UNAVAILABLE with a message for people when nobody answers. */
  async assertReachable(where: string): Promise<void> {
    try {
      await this.query('SELECT 1');
    } catch (error) {
      if (!isDatabaseOutage(error) && !(error instanceof Error)) throw error;
      throw new CodedError('NOF0_DATABASE_UNAVAILABLE', `Postgres at ${where} does not answer: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  async close(): Promise<void> {
    await this.prisma.$disconnect();
    await this.#pool.end();
  }
}
