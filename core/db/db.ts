import { CompiledQuery, Kysely, PostgresDialect, type Transaction } from 'kysely';
import { Pool, types as pgTypes, type ClientBase, type CustomTypesConfig, type PoolConfig } from 'pg';
import type { Tables } from './tables.ts';

/** The one place where SQL numbers become bigint: int8 (20) and numeric (1700). int4 stays a number. */
const BIGINT_OIDS = new Set([20, 1700]);
const BIGINT_ARRAY_OIDS = new Set([1016, 1231]);

const types: CustomTypesConfig = {
  getTypeParser(oid, format) {
    if (format !== 'binary') {
      if (BIGINT_OIDS.has(oid)) return (text: string) => BigInt(text);
      if (BIGINT_ARRAY_OIDS.has(oid)) return (text: string) => parseBigintArray(text);
    }
    return pgTypes.getTypeParser(oid, format);
  },
};

function parseBigintArray(text: string): bigint[] {
  const inner = text.slice(1, -1);
  return inner === '' ? [] : inner.split(',').map(BigInt);
}

export type Database = Kysely<Tables>;
export type DatabaseTransaction = Transaction<Tables>;

/** One transaction, under the name of what it makes last. Injected, so that a test can end the process round each. */
export type Commit = <Result>(
  name: string,
  work: (trx: DatabaseTransaction) => Promise<Result>,
) => Promise<Result>;

export function commitTo(db: Database): Commit {
  return (_name, work) => db.transaction().execute(work);
}

/** Runs one statement; what a module needs that is used inside and outside of transactions. */
export interface Executor {
  query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]>;
}

/** A pool whose numeric and int8 columns arrive as bigint. `url` carries the role of the process. */
export function openPool(url: string, connectionsMax = 10): Pool {
  // Pipelined, a query leaves at once and not when the one before it is answered. Who awaits each sees no difference.
  const config: PoolConfig & { pipeline: boolean } = {
    connectionString: url,
    max: connectionsMax,
    types,
    keepAlive: true,
    pipeline: true,
  };
  const pool = new Pool(config);
  // A lost server makes idle connections fail; the next query reports it to somebody who can act.
  pool.on('error', () => {});
  // The pool listens only while a connection is idle: without this, one lost inside a transaction ends the process.
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

export function openDatabase(pool: Pool): Database {
  return new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
}

/** Hand-written SQL through a Kysely connection or transaction. */
export function executorOf(db: Database | DatabaseTransaction): Executor {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
      return (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows;
    },
  };
}

/** Hand-written SQL through a plain connection, with a name so that the server keeps the plan. */
export function executorOfClient(client: ClientBase): Executor {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
      return (await client.query<Row>(text, [...values])).rows;
    },
  };
}
