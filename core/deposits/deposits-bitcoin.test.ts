// Proves on a real node, through the real watcher, that a Bitcoin deposit is credited in two stages and taken back
// by a reorg, and what becomes of late, small and misdirected payments.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { testBitcoind } from '../../world/testing.ts';
import { coins } from '../../world/parts/satoshi.ts';
import type { Bitcoind } from '../../world/parts/bitcoind.ts';
import { bitcoinRpc, startBitcoinWatcher } from '../chain/bitcoin/bitcoin.ts';
import { tipOf, watchAddresses } from '../chain/chain.ts';
import { issueAddress } from '../customers/customers.ts';
import { manifestFile } from '../customers/test/manifest.ts';
import type { Database } from '../db/db.ts';
import { depositById, listDeposits, listStrays, runDeposits } from './deposits.ts';
import { config, setUp, type Setup } from './test/following.ts';
import { testConfig, testCustomer } from './test/written-chain.ts';

const MIN_WAIT_MS = 50;
const WAIT_MAX_MS = 30_000;

/** The watcher's loop in this process, until what it answers is called. */
function watchChain(db: Database, node: Bitcoind): () => Promise<void> {
  const network = config.networks.find((candidate) => candidate.id === 'bitcoin');
  assert.ok(network?.kind === 'bitcoin');
  const stopping = new AbortController();
  const running = startBitcoinWatcher({
    db,
    network: { ...network, pollMs: MIN_WAIT_MS },
    rpc: bitcoinRpc({ urls: [node.url], timeoutMs: 5000 }),
    now: () => new Date(),
    seed: randomBytes(16),
    sleep: (ms, signal) => sleep(ms, undefined, { signal }).catch(() => {}),
    signal: stopping.signal,
    log: { info: () => {}, warn: () => {} },
  });
  return async () => {
    stopping.abort();
    await running;
  };
}

/** An address of the node's wallet `exchange`, so that the test can spend from it as the exchange would. */
async function ownAddress(db: Database, node: Bitcoind, purpose: 'deposit' | 'change') {
  const address = await node.walletRpc<string>('exchange', 'getnewaddress');
  const info = await node.walletRpc<{ scriptPubKey: string }>('exchange', 'getaddressinfo', address);
  const script = Buffer.from(info.scriptPubKey, 'hex');
  const watched = { network: 'bitcoin', address, script, purpose, derivation: address };
  const ids = await db.transaction().execute((trx) => watchAddresses(trx, [watched]));
  const watchedId = ids.get(address);
  assert.ok(watchedId !== undefined);
  return { address, watchedId };
}

async function depositAddress(db: Database, node: Bitcoind, customer: string, position: bigint) {
  const { address, watchedId } = await ownAddress(db, node, 'deposit');
  await db
    .insertInto('deposit_address')
    .values({
      id: `addr_${position}`,
      customer_id: customer,
      network: 'bitcoin',
      address,
      watched_id: watchedId,
      epoch: 1,
      position,
      status: 'active',
      valid_from: new Date(0),
      retired_at: null,
      replaced_by: null,
    })
    .execute();
  return address;
}

/** Steps until it holds. */
async function until(s: Setup, what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + WAIT_MAX_MS;
  for (;;) {
    await s.run();
    if (await holds()) return;
    assert.ok(Date.now() < deadline, `in time: ${what}`);
    await sleep(MIN_WAIT_MS);
  }
}

const stateOf = async (db: Database, txId: string): Promise<string | undefined> =>
  (await listDeposits(db, { limit: 1, txId }))[0]?.state;

async function caughtUp(s: Setup, node: Bitcoind): Promise<void> {
  const hash = await node.rpc<string>('getbestblockhash');
  await until(s, 'the watcher caught up', async () => (await tipOf(s.db, 'bitcoin'))?.hash === hash);
  await s.run();
}

test('Bitcoin, on a real node', { timeout: 180_000 }, async (t) => {
  const node = await testBitcoind({ after: (fn) => t.after(fn) });
  const s = await setUp(t);
  await node.fundedWallet('exchange', 1_000_000n);
  const stop = watchChain(s.db, node);
  try {
    await play(t, s, node);
  } finally {
    await stop();
  }
});

async function play(t: TestContext, s: Setup, node: Bitcoind): Promise<void> {
  const address = await depositAddress(s.db, node, s.alice, 1_000_000n);
  const change = await ownAddress(s.db, node, 'change');
  await caughtUp(s, node);

  await t.test('mempool, block, reorg, block, irreversible', async () => {
    const txId = await node.send(address, 1_000_000n);
    await until(s, 'seen', async () => (await stateOf(s.db, txId)) === 'seen');
    await node.mine(1);
    await until(s, 'safe', async () => (await stateOf(s.db, txId)) === 'safe');
    assert.deepEqual(await s.total('BTC'), { final: 0n, provisional: 1_000_000n });
    await node.reorg({ depth: 1, blocks: 2, empty: true });
    await until(s, 'taken back', async () => (await s.total('BTC')).provisional === 0n);
    await node.mine(1);
    await until(s, 'safe again', async () => (await stateOf(s.db, txId)) === 'safe');
    await node.mine(2);
    await until(s, 'irreversible', async () => (await stateOf(s.db, txId)) === 'irreversible');
    assert.deepEqual(await s.total('BTC'), { final: 1_000_000n, provisional: 0n });
    const [row] = await listDeposits(s.db, { limit: 1, txId });
    const timeline = (await depositById(s.db, row!.id))!.timeline.map((step) => step.to_state);
    assert.deepEqual(timeline.slice(-3), ['seen', 'safe', 'irreversible']);
    assert.ok(timeline.includes('orphaned'));
  });

  await t.test('late to a retired address, small, and to our change address', async () => {
    await s.db
      .updateTable('deposit_address')
      .set({ status: 'retired', retired_at: new Date(0) })
      .execute();
    const late = await node.send(address, 500_000n);
    const small = await node.send(address, 5_000n);
    const misdirected = await node.send(change.address, 70_000n);
    await node.mine(3);
    await caughtUp(s, node);
    const [row] = await listDeposits(s.db, { limit: 1, txId: late });
    assert.deepEqual([row?.state, row?.late], ['irreversible', true]);
    const strays = await listStrays(s.db, { limit: 10 });
    assert.deepEqual(
      new Map(strays.map((stray) => [stray.tx_id, [stray.reason, stray.state, stray.booked]])),
      new Map([
        [misdirected, ['INTERNAL_ADDRESS', 'recorded', true]],
        [small, ['BELOW_MINIMUM', 'recorded', true]],
      ]),
    );
    assert.equal(await s.held('hot', 'BTC', 'bitcoin'), 1_575_000n);
  });

  await t.test('the change of our own spending is no stray', async () => {
    const before = (await listStrays(s.db, { limit: 10 })).length;
    const [coin] = await node.walletRpc<{ txid: string; vout: number; amount: bigint }[]>(
      'exchange',
      'listunspent',
      1,
      9_999_999,
      [address],
    );
    assert.ok(coin);
    const stranger = await node.walletRpc<string>('miner', 'getnewaddress');
    const outputs = [
      { [stranger]: coins(1_000n) },
      { [change.address]: coins(coin.amount - 1_000n - 1_000n) },
    ];
    const inputs = [{ txid: coin.txid, vout: coin.vout }];
    const raw = await node.rpc<string>('createrawtransaction', inputs, outputs);
    const signed = await node.walletRpc<{ hex: string }>('exchange', 'signrawtransactionwithwallet', raw);
    const txId = await node.rpc<string>('sendrawtransaction', signed.hex);
    await node.mine(3);
    await caughtUp(s, node);
    assert.equal((await listStrays(s.db, { limit: 10 })).length, before);
    const receipts = await s.db.selectFrom('receipt').selectAll().where('tx_id', '=', txId).execute();
    assert.equal(receipts.length, 1, 'the watcher saw the change, and it is ours');
    await runDeposits({ db: s.db, config, now: s.clock.now });
  });

  await t.test('an address issued while the watcher runs, and paid at once', async () => {
    const bob = await testCustomer(s.db, 'bob');
    const issuing = testConfig(manifestFile(t));
    const network = issuing.networks.find((candidate) => candidate.id === 'bitcoin');
    assert.ok(network);
    const deps = { db: s.db, config: issuing, now: s.clock.now };
    const issued = await issueAddress(deps, { customer: bob, network });
    const info = await node.rpc<{ isvalid: boolean }>('validateaddress', issued.address);
    assert.ok(info.isvalid);
    const txId = await node.send(issued.address, 300_000n);
    await node.mine(1);
    await until(s, 'safe', async () => (await stateOf(s.db, txId)) === 'safe');
    const [row] = await listDeposits(s.db, { limit: 1, customer: bob });
    assert.deepEqual([row?.units, row?.address], [300_000n, issued.address]);
  });
}
