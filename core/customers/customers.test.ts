// Proves that a customer's deposit address is his for ever, the same for whoever asks at once, on every EVM
// network at once, and watched before it is handed out.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { getContractAddress, sha256, toHex, concat, isAddress, type Hex } from 'viem';
import { idBytes } from '../../lib/ids/ids.ts';
import type { Config, Network } from '../config/config.ts';
import type { Database } from '../db/db.ts';
import { openTestDatabase, testClock, testConfig, testCustomer } from '../deposits/test/written-chain.ts';
import {
  addressByText,
  addressesOf,
  completeAddresses,
  createCustomer,
  customerByExternalId,
  findCustomer,
  isOwnAddress,
  issueAddress,
  ownerOf,
} from './customers.ts';
import { manifestFile } from './test/manifest.ts';

async function setUp(t: TestContext, indexMax?: number) {
  const db = await openTestDatabase({ after: (fn) => t.after(fn) });
  const clock = testClock();
  const config = testConfig(manifestFile(t, indexMax));
  return { db, config, now: clock.now, clock };
}

const networkOf = (config: Config, id: string): Network =>
  config.networks.find((network) => network.id === id)!;

const watchedPurpose = async (db: Database, network: string, address: string) =>
  await db
    .selectFrom('watched')
    .select(['purpose', 'derivation'])
    .where('network', '=', network)
    .where('address', '=', address)
    .executeTakeFirst();

test('an external id is one customer, whoever creates him', async (t) => {
  const { db, now } = await setUp(t);
  const id = await testCustomer(db, 'alice');
  const again = await db
    .transaction()
    .execute((trx) =>
      createCustomer(trx, { id: `${id.slice(0, -1)}0` as typeof id, externalId: 'alice', at: now() }),
    );
  assert.deepEqual([again.created, again.row.id], [false, id]);
  assert.equal((await customerByExternalId(db, 'alice'))?.id, id);
  assert.equal((await findCustomer(db, id))?.external_id, 'alice');
  assert.equal(await findCustomer(db, 'cus_nobody'), undefined);
});

test('Bitcoin: each customer his own index, the same address until renewed, the old one his for ever', async (t) => {
  const s = await setUp(t);
  const network = networkOf(s.config, 'bitcoin');
  const [alice, bob] = [await testCustomer(s.db, 'alice'), await testCustomer(s.db, 'bob')];
  const first = await issueAddress(s, { customer: alice, network });
  assert.match(first.address, /^bcrt1q[0-9a-z]{58}$/);
  assert.equal((await issueAddress(s, { customer: alice, network })).id, first.id);
  const other = await issueAddress(s, { customer: bob, network });
  assert.notEqual(other.address, first.address);
  assert.deepEqual(await watchedPurpose(s.db, 'bitcoin', first.address), {
    purpose: 'deposit',
    derivation: `0/${first.position}`,
  });
  s.clock.ms += 1000;
  const second = await issueAddress(s, { customer: alice, network, renew: true });
  assert.notEqual(second.address, first.address);
  const old = await addressByText(s.db, 'bitcoin', first.address);
  assert.deepEqual([old?.status, old?.replaced_by, old?.retired_at], ['retired', second.id, s.now()]);
  assert.equal(await ownerOf(s.db, 'bitcoin', first.address), alice);
  assert.ok(await isOwnAddress(s.db, network, first.address));
  assert.ok(!(await isOwnAddress(s.db, network, 'bcrt1qstranger')));
  assert.equal((await addressesOf(s.db, alice)).length, 2);
});

test('Bitcoin: no address is given out that signers would refuse to spend from', async (t) => {
  const s = await setUp(t, 1);
  const network = networkOf(s.config, 'bitcoin');
  const [alice, bob] = [await testCustomer(s.db, 'alice'), await testCustomer(s.db, 'bob')];
  const zeroth = await issueAddress(s, { customer: alice, network });
  const last = await issueAddress(s, { customer: alice, network, renew: true });
  assert.deepEqual([zeroth.position, last.position], [0n, 1n], 'the highest index is one that they take');
  const exhausted = { name: 'AddressIndexError', code: 'ADDRESS_INDEX_EXHAUSTED' };
  await assert.rejects(issueAddress(s, { customer: bob, network }), exhausted);
  await assert.rejects(issueAddress(s, { customer: alice, network, renew: true }), exhausted);
  assert.equal((await issueAddress(s, { customer: alice, network })).id, last.id, 'the active one stays');
  assert.deepEqual(await addressesOf(s.db, bob), []);
  const watched = await s.db
    .selectFrom('watched')
    .select('address')
    .where('network', '=', 'bitcoin')
    .execute();
  assert.equal(watched.length, 2);
});

test('EVM: one keyless address on every network, from customer and counter alone', async (t) => {
  const s = await setUp(t);
  const alice = await testCustomer(s.db, 'alice');
  const network = networkOf(s.config, 'ethereum');
  assert.ok(network.kind === 'evm');
  const issued = await issueAddress(s, { customer: alice, network });
  const domain = 'portcullis/deposit-salt/1';
  const salt = sha256(
    concat([toHex(domain.length, { size: 1 }), toHex(domain), toHex(idBytes(alice)), toHex(0, { size: 4 })]),
  );
  const expected = getContractAddress({
    opcode: 'CREATE2',
    from: network.factory as Hex,
    salt,
    bytecodeHash: network.depositInitCodeHash as Hex,
  });
  assert.equal(issued.address, expected);
  assert.ok(isAddress(issued.address, { strict: true }));
  for (const id of ['ethereum', 'polygon']) {
    assert.equal(await ownerOf(s.db, id, issued.address), alice);
    assert.equal((await watchedPurpose(s.db, id, issued.address))?.derivation, salt);
  }
  const elsewhere = await issueAddress(s, { customer: alice, network: networkOf(s.config, 'polygon') });
  assert.deepEqual([elsewhere.address, elsewhere.network], [issued.address, 'polygon']);
  const renewed = await issueAddress(s, { customer: alice, network, renew: true });
  assert.notEqual(renewed.address, issued.address);
  const rows = await addressesOf(s.db, alice);
  assert.deepEqual(rows.map((row) => [row.network, row.position, row.status]).toSorted(byText), [
    ['ethereum', 0n, 'retired'],
    ['ethereum', 1n, 'active'],
    ['polygon', 0n, 'retired'],
    ['polygon', 1n, 'active'],
  ]);
  assert.ok(await isOwnAddress(s.db, network, network.vault));
});

test('asked many times at once: one active row, one answer', async (t) => {
  const s = await setUp(t);
  const alice = await testCustomer(s.db, 'alice');
  for (const id of ['bitcoin', 'polygon']) {
    const network = networkOf(s.config, id);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => issueAddress(s, { customer: alice, network })),
    );
    assert.equal(new Set(answers.map((row) => row.id)).size, 1);
  }
  assert.equal((await addressesOf(s.db, alice)).length, 3);
});

test('an EVM network that is configured later watches every address that was ever given out', async (t) => {
  const s = await setUp(t);
  const [alice, bob] = [await testCustomer(s.db, 'alice'), await testCustomer(s.db, 'bob')];
  const before: Config = { ...s.config, networks: s.config.networks.filter((n) => n.id !== 'polygon') };
  const network = networkOf(before, 'ethereum');
  const first = await issueAddress({ ...s, config: before }, { customer: alice, network });
  await issueAddress({ ...s, config: before }, { customer: alice, network, renew: true });
  await issueAddress({ ...s, config: before }, { customer: bob, network });
  assert.equal(await ownerOf(s.db, 'polygon', first.address), undefined);
  assert.equal(await completeAddresses(s), 2);
  assert.equal(await completeAddresses(s), 0);
  assert.equal(await ownerOf(s.db, 'polygon', first.address), alice);
  assert.equal((await addressByText(s.db, 'polygon', first.address))?.status, 'retired');
  const active = (await addressesOf(s.db, bob)).map((row) => [row.network, row.status]).toSorted(byText);
  assert.deepEqual(active, [
    ['ethereum', 'active'],
    ['polygon', 'active'],
  ]);
});

test('nobody gets no address, and nothing changes', async (t) => {
  const s = await setUp(t);
  const network = networkOf(s.config, 'ethereum');
  await assert.rejects(issueAddress(s, { customer: 'cus_nobody', network }));
  assert.equal((await s.db.selectFrom('watched').selectAll().execute()).length, 0);
});

function byText(a: readonly unknown[], b: readonly unknown[]): number {
  return a.join(' ') < b.join(' ') ? -1 : 1;
}
