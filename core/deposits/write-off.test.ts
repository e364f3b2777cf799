// Proves that an orphaned deposit is written off once, under the API's own rights: the house pays for what is in other
// hands, nobody's balance stays provisional, nothing else can be written off, and what is mined after all is a stray.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { executorOf } from '../db/db.ts';
import { accountBalance, applyPostings, balancesOf, transfer } from '../ledger/ledger.ts';
import { listDeposits, listStrays, remedyOf, resolveStray, writeOffDeposit } from './deposits.ts';
import { BTC, setUp, states, type Setup } from './test/following.ts';
import { bindAddress, testCustomer, writtenChain } from './test/written-chain.ts';

const WHY = 'double-spent, seen at 6 confirmations';

async function payment(s: Setup) {
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  return { txId: 't1', position: '0', watchedId, contract: '', units: 2n * BTC };
}

const writeOff = (s: Setup, deposit: string) =>
  s.db.transaction().execute(async (trx) => {
    await sql`set local role portcullis_api`.execute(trx);
    return writeOffDeposit(trx, { deposit, why: WHY, at: s.clock.now() });
  });

test('written off: the house pays for other hands, and the payment that is mined again is a stray', async (t) => {
  const s = await setUp(t);
  const bob = await testCustomer(s.db, 'bob');
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const paid = await payment(s);
  await chain.mine(paid);
  await chain.mine();
  await s.run();
  const deposit = (await listDeposits(s.db, { limit: 1 }))[0]!.id;
  assert.deepEqual(await writeOff(s, deposit), { ok: false, reason: 'DEPOSIT_NOT_ORPHANED' });
  const movements = [{ from: s.alice, to: bob, asset: 'BTC', units: BTC }];
  await s.db
    .transaction()
    .execute((trx) => applyPostings(executorOf(trx), [transfer({ transfer: 'x', movements })]));
  await chain.reorg(2);
  await s.run();
  assert.deepEqual(await states(s.db), ['orphaned']);
  assert.deepEqual(await writeOff(s, deposit), { ok: true });
  assert.deepEqual(await writeOff(s, deposit), { ok: true }, 'again the same');
  const [bobs] = await balancesOf(executorOf(s.db), bob);
  assert.deepEqual([bobs!.final, bobs!.provisional], [BTC, 0n], 'his to withdraw');
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n });
  assert.equal(await accountBalance(executorOf(s.db), { kind: 'house', asset: 'BTC' }), -BTC);
  const events = await s.db
    .selectFrom('event')
    .select(['type', 'data'])
    .where('subject', '=', deposit)
    .where('type', '=', 'deposit.written_off')
    .execute();
  assert.deepEqual(
    events.map(({ data }) => (data as { why: string }).why),
    [WHY],
  );
  await s.whole();
  // Mined after all, taken away again, and mined for good.
  await chain.mine(paid);
  await s.run();
  assert.deepEqual(await states(s.db), ['orphaned']);
  await chain.reorg(1);
  await s.run();
  assert.equal((await listStrays(s.db, { limit: 1 }))[0]!.state, 'orphaned');
  await chain.mine(paid);
  for (let i = 0; i < 6; i += 1) await chain.mine();
  await s.run();
  const [stray, ...more] = await listStrays(s.db, { limit: 5 });
  assert.deepEqual([stray!.reason, stray!.state, stray!.booked, more], ['WRITTEN_OFF', 'recorded', true, []]);
  assert.equal(remedyOf(stray!).code, 'REPAID');
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n });
  const back = await s.db
    .transaction()
    .execute((trx) => resolveStray(trx, { stray: stray!.id, to: 'house', at: s.clock.now() }));
  assert.deepEqual(back, { ok: true });
  assert.equal(await accountBalance(executorOf(s.db), { kind: 'house', asset: 'BTC' }), BTC);
  assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 2n * BTC);
  assert.deepEqual(await s.db.selectFrom('halt').selectAll().execute(), []);
  await s.whole();
});

test('what never stood in the books, what was irreversible and what is unknown cannot be written off', async (t) => {
  const s = await setUp(t);
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const paid = await payment(s);
  await chain.announce(paid);
  await s.run();
  await chain.replace(paid);
  await s.run();
  const never = (await listDeposits(s.db, { limit: 1 }))[0]!.id;
  assert.deepEqual(await writeOff(s, never), { ok: false, reason: 'DEPOSIT_NEVER_CREDITED' });
  assert.deepEqual(await writeOff(s, 'dep_none'), { ok: false, reason: 'UNKNOWN_DEPOSIT' });
  await chain.mine({ ...paid, txId: 't2' });
  for (let i = 0; i < 6; i += 1) await chain.mine();
  await s.run();
  await chain.reorg(7);
  await s.run();
  const final = (await listDeposits(s.db, { limit: 5 })).find((row) => row.tx_id === 't2')!;
  assert.deepEqual([final.state, final.final], ['orphaned', true]);
  assert.deepEqual(await writeOff(s, final.id), { ok: false, reason: 'DEPOSIT_FINAL' });
  await s.whole();
});

test('a write-off and the payment that comes back at the same moment: one of both, never both', async (t) => {
  for (let round = 0; round < 4; round += 1) {
    const s = await setUp(t);
    const chain = writtenChain(s.db, 'bitcoin', s.clock);
    const paid = await payment(s);
    await chain.mine(paid);
    await chain.mine();
    await s.run();
    await chain.reorg(2);
    await s.run();
    const deposit = (await listDeposits(s.db, { limit: 1 }))[0]!.id;
    await chain.mine(paid);
    for (let i = 0; i < 6; i += 1) await chain.mine();
    const [written] = await Promise.all([writeOff(s, deposit), s.run()]);
    await s.run();
    const credited = await s.total('BTC');
    assert.equal(credited.final, written.ok ? 0n : 2n * BTC);
    assert.equal((await listStrays(s.db, { limit: 5 })).length, written.ok ? 1 : 0);
    assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 2n * BTC);
    await s.whole();
  }
});
