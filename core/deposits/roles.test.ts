// Proves: with each part under its own process's database role, money arrives, is credited, becomes irreversible and
// is taken back; the API's role resolves a stray, writes a deposit off and clears a halt; and no part can do another's.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { clearHalt, haltNetwork, haltOf } from '../controls/controls.ts';
import { openDatabase, openPool, type Database } from '../db/db.ts';
import { testDatabase } from '../../world/testing.ts';
import { createCustomer, issueAddress } from '../customers/customers.ts';
import { newId } from '../../lib/ids/ids.ts';
import { listDeposits, listStrays, resolveStray, runDeposits, writeOffDeposit } from './deposits.ts';
import { BTC } from './test/following.ts';
import { testClock, testConfig, writtenChain } from './test/written-chain.ts';
import { manifestFile } from '../customers/test/manifest.ts';

const processes = ['api', 'watcher', 'pipeline'] as const;

async function setUp(t: TestContext) {
  const { url } = await testDatabase({ after: (fn) => t.after(fn) });
  const open = (role: (typeof processes)[number]): Database => {
    const own = new URL(url);
    own.searchParams.set('options', `-c role=portcullis_${role}`);
    const pool = openPool(own.href, 4);
    t.after(() => pool.end());
    return openDatabase(pool);
  };
  const clock = testClock();
  const config = testConfig(manifestFile(t));
  const dbs = { api: open('api'), watcher: open('watcher'), pipeline: open('pipeline') };
  const at = clock.now();
  const customer = newId('customer', { nowMs: () => clock.ms, randomBytes: (n) => new Uint8Array(n) });
  const [network] = config.networks;
  assert.ok(network);
  const { row } = await dbs.api
    .transaction()
    .execute((trx) => createCustomer(trx, { id: customer, externalId: 'alice', at }));
  const address = await issueAddress({ db: dbs.api, config, now: clock.now }, { customer: row.id, network });
  const chain = writtenChain(dbs.watcher, network.id, clock);
  const run = async (): Promise<number> => {
    clock.ms += 1000;
    return runDeposits({ db: dbs.pipeline, config, now: clock.now });
  };
  return { ...dbs, clock, customer: row.id, network, address, chain, run };
}

const DENIED = { code: '42501' };

test('a deposit is credited and final; a stray is resolved by the API, and by nobody who follows chains', async (t) => {
  const s = await setUp(t);
  const payment = (txId: string, units: bigint) => ({
    txId,
    position: '0',
    watchedId: s.address.watched_id,
    contract: '',
    units,
  });
  await s.chain.announce(payment('large', BTC / 100n));
  await s.run();
  await s.chain.mine(payment('large', BTC / 100n), payment('dust', 10n));
  for (let i = 0; i < 4; i += 1) {
    await s.run();
    await s.chain.mine();
  }
  assert.deepEqual(
    (await listDeposits(s.api, { limit: 9 })).map(({ state }) => state),
    ['irreversible'],
  );
  const [stray] = await listStrays(s.api, { limit: 9 });
  assert.equal(stray?.state, 'recorded');
  const resolve = (db: Database) =>
    db.transaction().execute((trx) => resolveStray(trx, { stray: stray.id, to: 'house', at: s.clock.now() }));
  await assert.rejects(resolve(s.watcher), DENIED);
  assert.deepEqual(await resolve(s.api), { ok: true });
  assert.equal((await listStrays(s.api, { limit: 9 }))[0]?.resolved_to, 'house');
});

test('a deposit that a reorg took back is written off by the API', async (t) => {
  const s = await setUp(t);
  const watchedId = s.address.watched_id;
  await s.chain.mine({ txId: 't1', position: '0', watchedId, contract: '', units: BTC / 100n });
  await s.run();
  await s.chain.reorg(1);
  await s.run();
  const [row] = await listDeposits(s.api, { limit: 9 });
  assert.equal(row?.state, 'orphaned');
  const writeOff = (db: Database) =>
    db
      .transaction()
      .execute((trx) => writeOffDeposit(trx, { deposit: row.id, why: 'gone', at: s.clock.now() }));
  await assert.rejects(writeOff(s.watcher), DENIED);
  await assert.rejects(writeOff(s.pipeline), DENIED);
  assert.deepEqual(await writeOff(s.api), { ok: true });
});

test('who follows a chain halts it, and only the API, for a person, lets it go on', async (t) => {
  const s = await setUp(t);
  const id = s.network.id;
  for (const db of [s.watcher, s.pipeline]) {
    await db.transaction().execute((trx) => haltNetwork(trx, id, 'TEST', 'why', s.clock.now()));
    assert.ok(await haltOf(db, id));
    await assert.rejects(
      db.transaction().execute((trx) => clearHalt(trx, id, s.clock.now())),
      DENIED,
    );
    assert.equal(await s.api.transaction().execute((trx) => clearHalt(trx, id, s.clock.now())), true);
  }
  const halt = s.api.transaction().execute((trx) => haltNetwork(trx, id, 'TEST', '', s.clock.now()));
  await assert.rejects(halt, DENIED);
});
