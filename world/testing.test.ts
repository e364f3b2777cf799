// Proves: every test gets a migrated database of its own, also when many ask at once, and it is gone afterwards.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { testDatabase, type TestDatabase } from './testing.ts';

const shared = await testDatabase({ after });
async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** 3D000: no such database. */
async function gone(url: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; performance.now() < deadline;) {
    const code = await query(url, 'select 1').then(
      () => 'there',
      (error: { code?: string }) => error.code,
    );
    if (code === '3D000') return;
    assert.ok(code === 'there' || code === '55006', String(code));
    await sleep(20);
  }
  assert.fail('the database is still there');
}

test('eight databases at once are migrated and independent', async (t) => {
  const databases = await Promise.all(Array.from({ length: 8 }, () => testDatabase(t)));
  assert.equal(new Set(databases.map((database) => database.url)).size, 8);
  for (const [i, database] of databases.entries()) {
    const [row] = await query(database.url, 'select count(*)::int as n from pgmigrations');
    assert.ok((row?.['n'] as number) > 0, 'no migration was applied');
    await query(database.url, `create table mine_${i} (a int)`);
  }
  for (const [i, database] of databases.entries()) {
    const tables = await query(database.url, `select tablename from pg_tables where tablename like 'mine_%'`);
    assert.deepEqual(tables, [{ tablename: `mine_${i}` }]);
  }
});

test('a database lives as long as its scope', async (t) => {
  let inner: TestDatabase | undefined;
  await t.test('inner', async (innerTest) => {
    inner = await testDatabase(innerTest);
    assert.deepEqual(await query(inner.url, 'select 1 as one'), [{ one: 1 }]);
  });
  assert.ok(inner);
  await gone(inner.url);
  assert.deepEqual(await query(shared.url, 'select 1 as one'), [{ one: 1 }]);
});

test('a client closed in a later hook finds its connection alive', async (t) => {
  const database = await testDatabase(t);
  const client = new Client({ connectionString: database.url });
  await client.connect();
  t.after(async () => {
    await sleep(100);
    assert.deepEqual((await client.query('select 1 as one')).rows, [{ one: 1 }]);
    await client.end();
  });
});
