// Proves that money that is no deposit is recorded with what can be done about it, booked once it is irreversible,
// and never lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listStrays, remedyOf, resolveStray } from './deposits.ts';
import { byText, ETH, setUp, states } from './test/following.ts';
import { bindAddress, VAULT, watch, writtenChain } from './test/written-chain.ts';

test('an unsupported token is recorded with its customer and a remedy, and never in the books', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'ethereum',
    address: '0xA',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  const contract = '0x00000000000000000000000000000000000000bb';
  await chain.mine({ txId: 't1', position: 'log:0', watchedId, contract, units: 2n ** 255n });
  for (let i = 0; i < 5; i += 1) await chain.mine();
  await s.run();
  const [stray] = await listStrays(s.db, { limit: 5 });
  assert.deepEqual(
    [stray!.reason, stray!.state, stray!.booked, stray!.customer_id, stray!.asset],
    ['UNSUPPORTED_TOKEN', 'recorded', false, s.alice, null],
  );
  assert.equal(remedyOf(stray!).code, 'LIST_OR_RETURN');
  assert.deepEqual(await states(s.db), []);
  const resolved = await s.db
    .transaction()
    .execute((trx) => resolveStray(trx, { stray: stray!.id, to: 'house', at: s.clock.now() }));
  assert.deepEqual(resolved, { ok: false, reason: 'STRAY_NOT_RECORDED' });
});

test('outsiders who pay an internal address make a stray; our own transactions do not', async (t) => {
  const s = await setUp(t);
  const change = await watch(s.db, { network: 'bitcoin', address: 'change', purpose: 'change' });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  await s.db
    .insertInto('bitcoin_coin')
    .values({
      network: 'bitcoin',
      tx_id: 'coin',
      vout: 0,
      watched_id: change,
      units: 9n,
      coinbase: false,
      height: 0,
      block_hash: 'x',
      spent_tx_id: 'ours',
      spent_height: 0,
      spent_block_hash: 'y',
    })
    .execute();
  await chain.mine(
    { txId: 'ours', position: '1', watchedId: change, contract: '', units: 5n },
    { txId: 'theirs', position: '0', watchedId: change, contract: '', units: 7n },
  );
  const vault = await watch(s.db, { network: 'ethereum', address: VAULT, purpose: 'vault' });
  await watch(s.db, { network: 'ethereum', address: '0xA', purpose: 'deposit' });
  const evm = writtenChain(s.db, 'ethereum', s.clock);
  await evm.mine(
    { txId: 'sweep', position: 'call:0', watchedId: vault, contract: '', units: 5n, sender: '0xA' },
    { txId: 'gift', position: 'call:0', watchedId: vault, contract: '', units: 6n, sender: '0xB' },
  );
  for (let i = 0; i < 6; i += 1) {
    await chain.mine();
    await evm.mine();
  }
  await s.run();
  const strays = await listStrays(s.db, { limit: 5 });
  assert.deepEqual(strays.map((row) => [row.tx_id, row.reason, row.state, row.booked]).toSorted(byText), [
    ['gift', 'INTERNAL_ADDRESS', 'recorded', true],
    ['theirs', 'INTERNAL_ADDRESS', 'recorded', true],
  ]);
  assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 7n);
  assert.equal(await s.held('hot', 'ETH', 'ethereum'), 6n);
  const theirs = strays.find((row) => row.tx_id === 'theirs')!;
  const resolve = (to: 'house' | { customer: string }) =>
    s.db.transaction().execute((trx) => resolveStray(trx, { stray: theirs.id, to, at: s.clock.now() }));
  assert.deepEqual(await resolve({ customer: 'cus_nobody' }), { ok: false, reason: 'UNKNOWN_CUSTOMER' });
  assert.deepEqual(await resolve({ customer: s.alice }), { ok: true });
  assert.deepEqual(await resolve({ customer: s.alice }), { ok: true });
  assert.deepEqual(await resolve('house'), { ok: false, reason: 'STRAY_ALREADY_RESOLVED' });
  assert.deepEqual(await s.total('BTC'), { final: 7n, provisional: 0n });
  await s.whole();
});

test("the relayer's float is the house's", async (t) => {
  const s = await setUp(t);
  const relayer = await watch(s.db, { network: 'ethereum', address: '0xR', purpose: 'relayer' });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  await chain.mine({
    txId: 'fund',
    position: 'call:0',
    watchedId: relayer,
    contract: '',
    units: ETH,
    sender: '0xB',
  });
  for (let i = 0; i < 4; i += 1) await chain.mine();
  await s.run();
  assert.equal(await s.held('gas', 'ETH', 'ethereum'), ETH);
  const [stray] = await listStrays(s.db, { limit: 5 });
  assert.deepEqual([stray!.state, stray!.resolved_to], ['resolved', 'house']);
});

test('small payments wait in suspense and are credited when they add up to the minimum', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const small = (txId: string) => ({ txId, position: '0', watchedId, contract: '', units: 4_000n });
  await chain.mine(small('t1'), small('t2'));
  await s.run();
  assert.deepEqual(await states(s.db), []);
  assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 0n, 'nothing is booked before it is irreversible');
  await chain.mine();
  await chain.mine();
  await s.run();
  assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 8_000n);
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n });
  assert.equal(remedyOf((await listStrays(s.db, { limit: 1 }))[0]!).code, 'ADDS_UP');
  await chain.mine(small('t3'));
  await chain.mine();
  await chain.mine();
  await s.run();
  assert.deepEqual(await s.total('BTC'), { final: 12_000n, provisional: 0n });
  const strays = await listStrays(s.db, { limit: 5 });
  assert.deepEqual([...new Set(strays.map((row) => row.resolved_to))], [s.alice]);
});
