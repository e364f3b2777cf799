import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { after } from 'node:test';
import { Client, escapeIdentifier } from 'pg';
import { migrate } from '../core/db/migrate.ts';
import { startAnvil, type Anvil, type AnvilOptions } from './parts/anvil.ts';
import { startBitcoind, type Bitcoind, type BitcoindOptions } from './parts/bitcoind.ts';
import { startPostgres, type Postgres } from './parts/postgres.ts';

/**
 * Real parts for node:test. A scope is the test's own `t`, or `{ after }` of node:test at the top of a file (for a
 * part that all its tests share). Never pass `{ after }` inside a `before` hook: node runs it when that hook ends.
 */
export interface TestScope {
  readonly after: (fn: () => Promise<void>) => void;
}

export interface TestDatabase {
  /** Superuser's URL of a database of this test's own. */
  readonly url: string;
  /** Removes it, cutting off whoever is connected. Happens by itself when the scope ends. */
  readonly drop: () => Promise<void>;
}

/** Set by testing-setup.ts to the URL of the run's server; without it a file starts a server of its own. */
export const TEST_POSTGRES = 'PORTCULLIS_TEST_POSTGRES';

const MIGRATIONS = new URL('../core/migrations/', import.meta.url);

/** Which session holds the right to build a template; any constant that nobody else uses. */
const TEMPLATE_LOCK = 7_306_001;

let ownServer: Promise<Postgres> | undefined;

/** Hooks run first come, first served, so this file's is the first of all and the server must outlive the others. */
let hooksBegan = false;
after(() => {
  hooksBegan = true;
});
process.on('beforeExit', () => {
  if (!hooksBegan || !ownServer) return;
  const server = ownServer;
  ownServer = undefined;
  void server.then((running) => running.stop());
});

/** A fresh database with all migrations applied: a copy of a template that is built once for each state of them. */
export async function testDatabase(scope: TestScope): Promise<TestDatabase> {
  const serverUrl = process.env[TEST_POSTGRES] ?? (await startOwnServer()).url;
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await withClient(serverUrl, async (client) => {
    const template = await ensureTemplate(client, serverUrl);
    await client.query(`create database ${escapeIdentifier(name)} template ${escapeIdentifier(template)}`);
  });
  const drop = () =>
    withClient(serverUrl, async (client) => {
      await client.query(`drop database if exists ${escapeIdentifier(name)} with (force)`);
    });
  scope.after(async () => {
    // Not awaited: a pool that the test closes in a later hook must find its connections alive.
    void dropWhenIdle(serverUrl, name).catch(drop);
  });
  return { url: databaseUrl(serverUrl, name), drop };
}

/** PostgreSQL waits 5 s for other sessions to leave, then refuses. */
async function dropWhenIdle(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    await client.query(`drop database if exists ${escapeIdentifier(name)}`);
  });
}

/** A regtest node of this scope's own, stopped when the scope ends. */
export async function testBitcoind(scope: TestScope, options: BitcoindOptions = {}): Promise<Bitcoind> {
  const node = await startBitcoind(options);
  scope.after(node.stop);
  return node;
}

/** An EVM node of this scope's own, stopped when the scope ends. */
export async function testAnvil(scope: TestScope, options: AnvilOptions = {}): Promise<Anvil> {
  const node = await startAnvil(options);
  scope.after(node.stop);
  return node;
}

async function startOwnServer(): Promise<Postgres> {
  ownServer ??= startPostgres({ fast: true });
  return ownServer;
}

async function ensureTemplate(client: Client, serverUrl: string): Promise<string> {
  const template = `template_${await migrationsHash()}`;
  await client.query('select pg_advisory_lock($1)', [TEMPLATE_LOCK]);
  try {
    const ready = await client.query('select 1 from pg_database where datname = $1 and datistemplate', [
      template,
    ]);
    if (ready.rowCount === 0) {
      const quoted = escapeIdentifier(template);
      // A half-built one, if a test process died while it migrated.
      await client.query(`drop database if exists ${quoted} with (force)`);
      await client.query(`create database ${quoted}`);
      await migrate(databaseUrl(serverUrl, template));
      await client.query(`alter database ${quoted} with is_template true allow_connections false`);
    }
  } finally {
    await client.query('select pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
  }
  return template;
}

async function migrationsHash(): Promise<string> {
  const hash = createHash('sha256');
  const names = (await readdir(MIGRATIONS)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).toSorted();
  for (const name of names) {
    hash.update(`${name}\0`);
    hash.update(
      createHash('sha256')
        .update(await readFile(new URL(name, MIGRATIONS)))
        .digest(),
    );
  }
  return hash.digest('hex').slice(0, 16);
}

function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

async function withClient(url: string, use: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await use(client);
  } finally {
    await client.end();
  }
}
