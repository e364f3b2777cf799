// Proves: a PostgreSQL comes back with every committed row after a stop and after kill -9, and two run side by side.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from './postgres.ts';

async function query(url: string, text: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  // A killed server cuts the connection off.
  client.on('error', () => {});
  await client.connect();
  try {
    return (await client.query(text)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('kill -9 and a stop lose nothing, on the same port and with the same password', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  let server = await startPostgres({ folder });
  t.after(() => server.stop());
  const { url, port } = server;
  const [settings] = await query(
    url,
    `select current_setting('fsync') as fsync, current_setting('server_encoding') as encoding`,
  );
  assert.deepEqual(settings, { fsync: 'on', encoding: 'UTF8' });
  await query(url, 'create table kept (n int); insert into kept values (1)');

  assert.ok(alive(server.pid));
  await server.kill();
  assert.ok(!alive(server.pid));
  await assert.rejects(query(url, 'select 1'));
  server = await startPostgres({ folder, port });
  assert.equal(server.url, url);
  await query(url, 'insert into kept values (2)');

  await server.stop();
  server = await startPostgres({ folder, port });
  assert.deepEqual(await query(url, 'select n from kept order by n'), [{ n: 1 }, { n: 2 }]);
});

test('two run side by side, each with data of its own; a temporary one leaves nothing', async () => {
  const [one, two] = await Promise.all([startPostgres({ fast: true }), startPostgres({ fast: true })]);
  try {
    assert.notEqual(one.port, two.port);
    await query(one.url, 'create table only_in_one ()');
    await assert.rejects(query(two.url, 'select from only_in_one'), { code: '42P01' });
    assert.deepEqual(await query(one.url, `select current_setting('fsync') as fsync`), [{ fsync: 'off' }]);
  } finally {
    await Promise.all([one.stop(), two.stop()]);
  }
  await assert.rejects(readdir(one.folder), { code: 'ENOENT' });
});

test('a setting that PostgreSQL does not know is refused with its own words', async () => {
  await assert.rejects(startPostgres({ settings: { no_such_setting: '1' } }), (error: Error) => {
    assert.equal((error as { code?: string }).code, 'PART_FAILED');
    assert.match(error.message, /no_such_setting/);
    return true;
  });
});
