// Proves that deposits are credited in two stages, that reorgs take back exactly what they take away, and that
// nothing is credited twice, with the books whole after every step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clearHalt } from '../controls/controls.ts';
import { depositById, listDeposits, runDeposits } from './deposits.ts';
import { BTC, config, ETH, setUp, states, type Setup } from './test/following.ts';
import { bindAddress, testCustomer, TOKEN, writtenChain } from './test/written-chain.ts';

test('a Bitcoin deposit: mempool, block, usable, irreversible; each step on its timeline', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const payment = { txId: 't1', position: '0', watchedId, contract: '', units: BTC / 100n };
  await chain.mine();
  await chain.announce(payment);
  await s.run();
  assert.deepEqual(await states(s.db), ['seen']);
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n });
  await chain.mine(payment);
  await s.run();
  assert.deepEqual(await states(s.db), ['safe']);
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: BTC / 100n });
  await chain.mine();
  await s.run();
  assert.deepEqual(await states(s.db), ['safe'], 'two confirmations are not three');
  await chain.mine();
  await s.run();
  assert.deepEqual(await s.total('BTC'), { final: BTC / 100n, provisional: 0n });
  assert.equal(await s.held('hot', 'BTC', 'bitcoin'), BTC / 100n);
  const [row] = await listDeposits(s.db, { limit: 1 });
  const found = await depositById(s.db, row!.id);
  assert.deepEqual(
    found!.timeline.map((step) => [step.n, step.from_state, step.to_state, step.reason]),
    [
      [1, null, 'seen', 'SEEN_IN_MEMPOOL'],
      [2, 'seen', 'safe', 'DEPTH_SAFE'],
      [3, 'safe', 'irreversible', 'DEPTH_IRREVERSIBLE'],
    ],
  );
  const evidence = found!.timeline[2]!.evidence as Record<string, unknown>;
  assert.deepEqual(evidence, {
    tx_id: 't1',
    block_hash: chain.blocks[1]!.hash,
    height: 1,
    confirmations: 3,
  });
  assert.equal(await s.run(), 0, 'nothing is left to do');
  const events = await s.db.selectFrom('event').select('type').where('subject', '=', row!.id).execute();
  assert.deepEqual(
    events.map((event) => event.type),
    ['deposit.seen', 'deposit.safe', 'deposit.irreversible'],
  );
});

test('more value wants more depth', async (t) => {
  const s = await setUp(t);
  const alices = await bound(s, 'a1', s.alice);
  const bobs = await bound(s, 'b1', await testCustomer(s.db, 'bob'));
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  await chain.mine(
    { txId: 'small', position: '0', watchedId: alices, contract: '', units: BTC / 10n - 1n },
    { txId: 'large', position: '1', watchedId: bobs, contract: '', units: BTC / 10n },
  );
  const expected = [
    ['safe', 'seen'],
    ['safe', 'safe'],
    ['irreversible', 'safe'],
    ['irreversible', 'safe'],
    ['irreversible', 'irreversible'],
  ];
  for (const [small, large] of expected) {
    await s.run();
    assert.equal(await stateOf(s, 'small'), small);
    assert.equal(await stateOf(s, 'large'), large);
    await chain.mine();
  }
});

const pieces = [
  { name: 'outputs of one transaction', txOf: () => 'whole', blocks: 1, owners: 1 },
  { name: 'transactions of one block', txOf: (i: number) => `part-${i}`, blocks: 1, owners: 1 },
  { name: 'transactions of two blocks', txOf: (i: number) => `part-${i}`, blocks: 2, owners: 1 },
  { name: 'customers, in one transaction', txOf: () => 'whole', blocks: 1, owners: 2 },
];
for (const { name, txOf, blocks, owners } of pieces) {
  test(`value split into ${name} wants the depth of all of it`, async (t) => {
    const s = await setUp(t);
    const ids = [await bound(s, 'a1', s.alice), await bound(s, 'b1', await testCustomer(s.db, 'bob'))];
    const chain = writtenChain(s.db, 'bitcoin', s.clock);
    const parts = Array.from({ length: 4 }, (_, i) => ({
      txId: txOf(i),
      position: String(i),
      watchedId: ids[i % owners]!,
      contract: '',
      units: BTC / 40n,
    }));
    const each = parts.length / blocks;
    for (let i = 0; i < parts.length; i += each) await chain.mine(...parts.slice(i, i + each));
    const seen = new Set<string>();
    for (let confirmations = 1; confirmations <= 5; confirmations += 1) {
      await s.run();
      const at = (await listDeposits(s.db, { limit: 9 })).filter(
        (row) => row.height === chain.blocks.at(-confirmations)!.height,
      );
      for (const { state } of at) seen.add(`${confirmations} ${state}`);
      await chain.mine();
    }
    // Once the older block is irreversible, what is left in the younger is worth half.
    const fourth = blocks === 1 ? '4 safe' : '4 irreversible';
    const oneByOne = ['1 seen', '2 safe', '3 safe', fourth, '5 irreversible'];
    assert.deepEqual([...seen], oneByOne, 'as a single payment of all of it');
  });
}

test('what is irreversible no longer deepens what comes after it', async (t) => {
  const s = await setUp(t);
  const watchedId = await bound(s, 'a1', s.alice);
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const units = BTC / 10n - 1n;
  await chain.mine({ txId: 'first', position: '0', watchedId, contract: '', units });
  for (let i = 0; i < 2; i += 1) await chain.mine();
  await s.run();
  assert.equal(await stateOf(s, 'first'), 'irreversible');
  await chain.mine({ txId: 'second', position: '0', watchedId, contract: '', units });
  await s.run();
  assert.equal(await stateOf(s, 'second'), 'safe', 'at one confirmation, as any payment of its value');
});

test('small payments that are split to add up to a deposit want the depth of what they add up to', async (t) => {
  const s = await setUp(t);
  const watchedId = await bound(s, 'a1', s.alice);
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const parts = Array.from({ length: 1_100 }, (_, i) => ({
    txId: `t${i}`,
    position: '0',
    watchedId,
    contract: '',
    units: 9_999n,
  }));
  await chain.mine(...parts);
  for (let i = 0; i < 3; i += 1) await chain.mine();
  await s.run();
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n }, 'not at four confirmations');
  await chain.mine();
  await s.run();
  assert.ok((await s.total('BTC')).final > BTC / 20n, 'at five');
});

const bound = (s: Setup, address: string, customer: string): Promise<bigint> =>
  bindAddress(s.db, { network: 'bitcoin', address, customer, position: 0n });

async function stateOf(s: Setup, txId: string): Promise<string | undefined> {
  return (await listDeposits(s.db, { limit: 9 })).find((row) => row.tx_id === txId)?.state;
}

test('a reorg takes a credited deposit back, and its next block credits it again, once', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'ethereum',
    address: '0xA',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  const payment = { txId: 't1', position: 'call:0', watchedId, contract: '', units: ETH };
  await chain.mine(payment);
  await chain.mine();
  await s.run();
  assert.deepEqual(await s.total('ETH'), { final: 0n, provisional: ETH });
  assert.equal(await s.held('unswept', 'ETH', 'ethereum'), ETH);
  await chain.reorg(2);
  await s.run();
  assert.deepEqual(await states(s.db), ['orphaned']);
  assert.deepEqual(await s.total('ETH'), { final: 0n, provisional: 0n });
  assert.equal(await s.held('unswept', 'ETH', 'ethereum'), 0n);
  await chain.mine();
  await chain.mine(payment);
  await chain.mine();
  await s.run();
  assert.deepEqual(await s.total('ETH'), { final: 0n, provisional: ETH });
  // Orphaned and mined elsewhere between two steps: the same, without having been seen gone.
  await chain.reorg(1);
  await chain.reorg(1);
  await chain.mine(payment);
  for (let i = 0; i < 4; i += 1) await chain.mine();
  await s.run();
  assert.deepEqual(await states(s.db), ['irreversible']);
  assert.deepEqual(await s.total('ETH'), { final: ETH, provisional: 0n });
  const [row] = await listDeposits(s.db, { limit: 1 });
  assert.equal(row!.incarnation, 3);
});

test('a transaction that does something else in its new block is another deposit', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'ethereum',
    address: '0xA',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  const payment = { txId: 't1', position: 'log:0', watchedId, contract: TOKEN, units: 50_000_000n };
  await chain.mine(payment);
  await chain.mine();
  await s.run();
  await chain.reorg(2);
  await chain.mine({ ...payment, units: 20_000_000n });
  await chain.mine();
  await s.run();
  assert.deepEqual((await states(s.db)).toSorted(), ['orphaned', 'safe']);
  assert.deepEqual(await s.total('USDT'), { final: 0n, provisional: 20_000_000n });
});

test('irreversible value that leaves the chain halts the network, undoes nothing, and never counts twice', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const payment = { txId: 't1', position: '0', watchedId, contract: '', units: 1_000_000n };
  await chain.mine(payment);
  await chain.mine();
  await chain.mine();
  await s.run();
  assert.deepEqual(await states(s.db), ['irreversible']);
  await chain.reorg(3);
  await s.run();
  const halt = await s.db.selectFrom('halt').selectAll().executeTakeFirst();
  assert.equal(halt?.code, 'IRREVERSIBLE_DEPOSIT_ORPHANED');
  assert.deepEqual(await states(s.db), ['orphaned']);
  assert.deepEqual(await s.total('BTC'), { final: 1_000_000n, provisional: 0n });
  await chain.mine(payment);
  await chain.mine();
  await chain.mine();
  assert.equal(await s.run(), 0, 'a halted network does nothing');
  await s.db.transaction().execute((trx) => clearHalt(trx, 'bitcoin', s.clock.now()));
  await s.run();
  assert.deepEqual(await states(s.db), ['irreversible']);
  assert.deepEqual(await s.total('BTC'), { final: 1_000_000n, provisional: 0n });
});

test('behind a closed gate deposits are seen, and credited when it opens', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  const gate = {
    asset: 'BTC',
    network: 'bitcoin',
    direction: 'deposits',
    reason: 'test',
    since: s.clock.now(),
  };
  await s.db
    .insertInto('gate')
    .values({ ...gate, state: 'closed' })
    .execute();
  await chain.mine({ txId: 't1', position: '0', watchedId, contract: '', units: 1_000_000n });
  for (let i = 0; i < 3; i += 1) await chain.mine();
  await s.run();
  assert.deepEqual(await states(s.db), ['seen']);
  assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 0n });
  await s.db.updateTable('gate').set({ state: 'open' }).execute();
  await s.run();
  assert.deepEqual(await states(s.db), ['irreversible']);
  assert.deepEqual(await s.total('BTC'), { final: 1_000_000n, provisional: 0n });
});

test('a deposit to a retired address is credited, and marked late', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  await s.db
    .updateTable('deposit_address')
    .set({ status: 'retired', retired_at: new Date(s.clock.ms - 1) })
    .execute();
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  await chain.mine({ txId: 't1', position: '0', watchedId, contract: '', units: 1_000_000n });
  await s.run();
  const [row] = await listDeposits(s.db, { limit: 1 });
  assert.deepEqual([row!.state, row!.late], ['safe', true]);
});

test('what the books refuse halts the network and changes nothing', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'ethereum',
    address: '0xA',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  await chain.mine({ txId: 'huge', position: 'log:0', watchedId, contract: TOKEN, units: 2n ** 256n - 1n });
  await chain.mine({ txId: 'huge2', position: 'log:0', watchedId, contract: TOKEN, units: 10n ** 78n - 10n });
  for (let i = 0; i < 3; i += 1) await chain.mine();
  await s.run();
  const halt = await s.db.selectFrom('halt').selectAll().executeTakeFirst();
  assert.equal(halt?.code, 'DEPOSIT_REFUSED_BY_BOOKS');
  assert.deepEqual(await s.total('USDT'), { final: 0n, provisional: 0n });
  assert.deepEqual(await states(s.db), ['seen', 'seen']);
});

test('two steps at once count nothing twice', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'bitcoin',
    address: 'a1',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'bitcoin', s.clock);
  for (let i = 0; i < 30; i += 1)
    await chain.mine({ txId: `t${i}`, position: '0', watchedId, contract: '', units: 100_000n });
  const step = () => runDeposits({ db: s.db, config, now: s.clock.now });
  await Promise.all([step(), step(), step()]);
  await s.run();
  const { final, provisional } = await s.total('BTC');
  assert.equal(final + provisional, 3_000_000n);
});

test('a deposit does not advance on a block that is gone while its receipt was not read yet', async (t) => {
  const s = await setUp(t);
  const watchedId = await bindAddress(s.db, {
    network: 'ethereum',
    address: '0xA',
    customer: s.alice,
    position: 0n,
  });
  const chain = writtenChain(s.db, 'ethereum', s.clock);
  await chain.mine({ txId: 'x', position: 'call:0', watchedId, contract: '', units: ETH });
  await s.run();
  assert.deepEqual(await states(s.db), ['seen']);
  // More news than one transaction reads stands before the news that concerns it.
  const others = Array.from({ length: 250 }, (_, i) => ({
    txId: `t${i}`,
    position: 'call:0',
    watchedId,
    contract: '',
    units: ETH,
  }));
  await chain.mine(...others);
  await chain.reorg(1);
  await chain.reorg(1);
  for (let i = 0; i < 3; i += 1) await chain.mine();
  await s.run();
  const [row] = await listDeposits(s.db, { limit: 5, txId: 'x' });
  const timeline = (await depositById(s.db, row!.id))!.timeline;
  assert.deepEqual(
    timeline.map((step) => step.to_state),
    ['seen', 'orphaned'],
  );
});

test('the same address on another EVM network than was meant: a deposit there, with depths of its own', async (t) => {
  const s = await setUp(t);
  const chains = [];
  for (const network of ['ethereum', 'polygon']) {
    const input = { network, address: '0xA', customer: s.alice, position: 0n };
    const watchedId = await bindAddress(s.db, input);
    const chain = writtenChain(s.db, network, s.clock);
    // One transaction id on both: networks do not share them.
    await chain.mine({ txId: 't1', position: 'call:0', watchedId, contract: '', units: ETH });
    chains.push(chain);
  }
  await chains[1]!.mine();
  await s.run();
  const rows = await listDeposits(s.db, { limit: 5 });
  assert.deepEqual(
    new Map(rows.map((row) => [row.network, row.state])),
    new Map([
      ['ethereum', 'seen'],
      ['polygon', 'safe'],
    ]),
  );
  assert.equal(await s.held('unswept', 'ETH', 'polygon'), ETH);
  assert.equal(await s.held('unswept', 'ETH', 'ethereum'), 0n);
  await chains[1]!.reorg(2);
  await chains[0]!.mine();
  await s.run();
  assert.equal(await s.held('unswept', 'ETH', 'polygon'), 0n);
  assert.equal(await s.held('unswept', 'ETH', 'ethereum'), ETH);
  assert.deepEqual(await s.total('ETH'), { final: 0n, provisional: ETH });
});
