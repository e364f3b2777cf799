// Proves: migrations run once, in order, all or none; two processes may start at once; the shipped ones apply.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from '../../world/parts/postgres.ts';
import { migrate, MigrationError } from './migrate.ts';

const server = await startPostgres({ fast: true });
after(() => server.stop());

let databases = 0;
async function freshUrl(): Promise<string> {
  databases += 1;
  await query(server.url, `create database fresh_${databases}`);
  return server.urlOf(`fresh_${databases}`);
}

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  after(() => rm(folder, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  return folder;
}

test('the shipped migrations apply to an empty database, and a second time there is nothing to do', async () => {
  const url = await freshUrl();
  const applied = await migrate(url);
  assert.ok(applied.length > 0);
  assert.deepEqual(applied, applied.toSorted());
  assert.deepEqual(await migrate(url), []);
});

test('two at once apply each migration once', async () => {
  const url = await freshUrl();
  const folder = await folderOf({
    '0001_table.sql': 'create table t (n int); select pg_sleep(0.2);',
    '0002_row.sql': 'insert into t values (2);',
    'schema.sql': 'this is no migration',
  });
  const applied = await Promise.all([migrate(url, folder), migrate(url, folder)]);
  assert.deepEqual(applied.flat(), ['0001_table', '0002_row']);
  assert.deepEqual(await query(url, 'select n from t'), [{ n: 2 }]);
});

test('one that fails takes the whole run back, and says which and why', async () => {
  const url = await freshUrl();
  const folder = await folderOf({
    '0001_good.sql': 'create table t ();',
    '0002_bad.sql': 'select * from nowhere;',
  });
  await assert.rejects(migrate(url, folder), (error) => {
    assert.ok(error instanceof MigrationError);
    assert.equal(error.code, 'MIGRATION_FAILED');
    assert.match(error.message, /0002_bad|nowhere/);
    return true;
  });
  assert.deepEqual(await query(url, `select 1 from pg_tables where tablename = 't'`), []);
  await writeFile(join(folder, '0002_bad.sql'), 'alter table t add n int;');
  assert.deepEqual(await migrate(url, folder), ['0001_good', '0002_bad']);
});

test('a number that was left out cannot come in later', async () => {
  const url = await freshUrl();
  const folder = await folderOf({
    '0001_one.sql': 'create table one ();',
    '0003_three.sql': 'create table three ();',
  });
  await migrate(url, folder);
  await writeFile(join(folder, '0002_two.sql'), 'create table two ();');
  await assert.rejects(migrate(url, folder), MigrationError);
  assert.deepEqual(await query(url, `select 1 from pg_tables where tablename = 'two'`), []);
});
