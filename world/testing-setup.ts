import { startPostgres, type Postgres } from './parts/postgres.ts';

/**
 * Loaded once for a test run (`node --test --test-global-setup=world/testing-setup.ts`): one PostgreSQL for all
 * test files, whose processes inherit its URL. Without fsync: a test of durability starts a server of its own.
 */
let server: Postgres | undefined;

export async function globalSetup(): Promise<void> {
  server = await startPostgres({ fast: true });
  process.env['PORTCULLIS_TEST_POSTGRES'] = server.url;
}

export async function globalTeardown(): Promise<void> {
  await server?.stop();
}
