// Proves that an Idempotency-Key answers its repetition for the configured time and is forgotten after it, by a process
// with the API's own rights, in bounded steps; and that an external id is remembered when its key is not.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { openDatabase, openPool } from '../db/db.ts';
import { forgetOldKeys, forgetOnce } from './idempotency-age.ts';
import { testApi } from './test/api.ts';

const api = await testApi({ after });
const HOUR_MS = 3_600_000;
const pool = openPool(`${api.databaseUrl}?options=-c%20role%3Dportcullis_api`, 3);
after(() => pool.end());
const deps = {
  db: openDatabase(pool),
  config: api.config,
  log: pino({ level: 'silent' }),
  now: () => new Date(api.clock.ms),
};

async function keys(): Promise<string[]> {
  const rows = await api.db.selectFrom('idempotency_key').select('key').orderBy('key').execute();
  return rows.map(({ key }) => key);
}

async function addKeys(count: number, at: Date): Promise<void> {
  await api.pool.query(
    `insert into idempotency_key (api_key_id, key, fingerprint, status, response, created_at)
     select 'key_test', 'many-' || i, '\\x00', 200, '{}', $2 from generate_series(1, $1) i`,
    [count, at],
  );
}

test('a key answers for its time and not longer; the external id answers for ever', async () => {
  const { idempotencyKeyHours: hours } = api.config.http;
  assert.ok(hours >= 24, 'kept a day at least by default');
  const customer = await api.customer('alice');
  await api.fund(customer, 'ETH', 10n ** 18n);
  const destination = '0x52908400098527886E0F7030069857D2E4169EE7';
  const base = { customer_id: customer, asset: 'ETH', network: 'ethereum', destination, amount: '0.1' };
  const first = await api.post('/v1/withdrawals', { ...base, external_id: 'one' }, 'k');
  assert.equal(first.status, 201);
  api.clock.ms += hours * HOUR_MS - 60_000;
  assert.equal(await forgetOnce(deps), 0);
  const kept = await api.post('/v1/withdrawals', { ...base, external_id: 'one' }, 'k');
  assert.deepEqual([kept.status, kept.headers.get('idempotency-replayed')], [201, 'true']);
  api.clock.ms += 120_000;
  await api.post('/v1/withdrawals', { ...base, external_id: 'two' }, 'young');
  assert.equal(await forgetOnce(deps), 1);
  assert.deepEqual(await keys(), ['young']);
  const before = await api.books();
  const late = await api.post('/v1/withdrawals', { ...base, external_id: 'one' }, 'k');
  assert.deepEqual([late.status, late.body.id], [200, first.body.id]);
  assert.equal(late.headers.get('idempotency-replayed'), null);
  assert.equal(await api.books(), before, 'nothing twice');
});

test('many are forgotten in bounded steps, by two processes at once, and the young stay', async () => {
  await addKeys(5_500, new Date(0));
  const forgotten = await Promise.all([forgetOnce(deps), forgetOnce(deps)]);
  assert.ok(forgotten[0] + forgotten[1] <= 5_500);
  await forgetOnce(deps);
  assert.deepEqual(await keys(), ['k', 'young']);
});

test('it looks again and again, goes on after a refusal, and stops at once', async () => {
  await addKeys(10, new Date(0));
  const without = openPool(`${api.databaseUrl}?options=-c%20role%3Dportcullis_watcher`, 1);
  const warnings: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line) => warnings.push(line) });
  const refused = forgetOldKeys({ ...deps, log, db: openDatabase(without) }, 10);
  const looking = forgetOldKeys(deps, 10);
  while ((await keys()).length > 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await addKeys(10, new Date(0));
  while ((await keys()).length > 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await looking.stop();
  while (warnings.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  await refused.stop();
  await without.end();
  await addKeys(10, new Date(0));
  assert.equal((await keys()).length, 12, 'stopped');
});
