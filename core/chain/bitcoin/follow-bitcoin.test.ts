// Proves on a real node that deposits, spends, replacements and reorgs of every depth become the right rows.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Selectable } from 'kysely';
import { after, before, test, type TestContext } from 'node:test';
import { clearHalt, haltOf } from '../../controls/controls.ts';
import { openDatabase, openPool, type Database } from '../../db/db.ts';
import type { BitcoinCoin } from '../../db/tables.ts';
import { testBitcoind, testDatabase } from '../../../world/testing.ts';
import { startBitcoind, type Bitcoind } from '../../../world/parts/bitcoind.ts';
import { coins as coinsText } from '../../../world/parts/satoshi.ts';
import { followStep, receiptsAfter, tipOf, watchAddresses, type FollowStep } from '../chain.ts';
import { ownOutputs } from './coins.ts';
import { openBitcoinFollower, type BitcoinFollower } from './follow-bitcoin.ts';
import { bitcoinRpc } from './rpc.ts';
import { scanBlock, scanTransactions, type ScanTables } from './scan.ts';
import { scriptTable } from './script-table.ts';
import { bitcoinSource } from './source.ts';

const NETWORK = { id: 'bitcoin', caip2: 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328', reorgDepthMax: 10 };
const MINUTE = 60_000;

let shared: Bitcoind;
before(async () => {
  shared = await startBitcoind();
});
after(() => shared.stop());

interface Rig {
  readonly node: Bitcoind;
  readonly db: Database;
  readonly follower: BitcoinFollower;
  readonly step: () => Promise<FollowStep>;
  /** Steps until we stand on the node's tip (or are halted, or wait), then looks at the mempool. */
  readonly follow: () => Promise<FollowStep>;
  readonly watchNew: (wallet?: string) => Promise<{ address: string; script: Buffer; id: bigint }>;
  readonly states: (txId: string) => Promise<string[]>;
  readonly coin: (txId: string) => Promise<Selectable<BitcoinCoin>[]>;
}

async function rig(t: TestContext, node: Bitcoind = shared, urls: string[] = [node.url]): Promise<Rig> {
  const { url } = await testDatabase(t);
  const pool = openPool(url, 4);
  t.after(() => pool.end());
  return rigOn(openDatabase(pool), node, urls);
}

async function rigOn(db: Database, node: Bitcoind, urls: string[]): Promise<Rig> {
  const rpc = bitcoinRpc({ urls, timeoutMs: 5000 });
  const now = (): Date => new Date();
  const follower = await openBitcoinFollower({ db, network: NETWORK, rpc, now, seed: randomBytes(16) });
  const source = bitcoinSource(rpc, NETWORK);
  const step = () => followStep({ db, network: NETWORK, source, handler: follower.handler, now });
  return {
    node,
    db,
    follower,
    step,
    async follow() {
      for (;;) {
        const done = await step();
        if (done.kind === 'block' || done.kind === 'reorg') continue;
        if (done.kind === 'caught-up') await follower.pollMempool();
        return done;
      }
    },
    async watchNew(wallet = 'miner') {
      const address = await node.walletRpc<string>(wallet, 'getnewaddress');
      const { scriptPubKey } = await node.walletRpc<{ scriptPubKey: string }>(
        wallet,
        'getaddressinfo',
        address,
      );
      const script = Buffer.from(scriptPubKey, 'hex');
      const ids = await db
        .transaction()
        .execute((trx) =>
          watchAddresses(trx, [
            { network: NETWORK.id, address, script, purpose: 'deposit', derivation: `0/${address}` },
          ]),
        );
      return { address, script, id: ids.get(address)! };
    },
    async states(txId) {
      const rows = await receiptsAfter(db, NETWORK.id, 0n, 10_000);
      return rows.filter((row) => row.tx_id === txId).map((row) => row.state);
    },
    async coin(txId) {
      return db.selectFrom('bitcoin_coin').selectAll().where('tx_id', '=', txId).orderBy('vout').execute();
    },
  };
}

test(
  'a deposit is seen in the mempool, then mined, and stands in one row',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.follow();
    const { address, id } = await r.watchNew();
    const txId = await r.node.send(address, 123_456n);
    await r.follow();
    const [seen, ...more] = await receiptsAfter(r.db, NETWORK.id, 0n, 10);
    assert.equal(more.length, 0);
    assert.equal(seen?.state, 'mempool');
    assert.equal(seen.units, 123_456n);
    assert.equal(seen.tx_id, txId);
    assert.equal(seen.watched_id, id);
    assert.equal(seen.address, address);
    assert.equal(seen.block_hash, null);
    const [hash] = await r.node.mine(1);
    await r.follow();
    const after = await receiptsAfter(r.db, NETWORK.id, seen.change, 10);
    assert.deepEqual(
      after.map((row) => [row.id, row.state, row.block_hash]),
      [[seen.id, 'mined', hash]],
    );
    const tip = await tipOf(r.db, NETWORK.id);
    assert.equal(tip?.hash, hash);
    assert.equal(after[0]?.height, tip?.height);
  },
);

test('many outputs in one transaction, two of them to one address', { timeout: MINUTE }, async (t) => {
  const r = await rig(t);
  await r.follow();
  const a = await r.watchNew();
  const b = await r.watchNew();
  const raw = await r.node.walletRpc<string>(
    'miner',
    'createrawtransaction',
    [],
    [{ [a.address]: coinsText(10_000n) }, { [b.address]: coinsText(20_000n) }, { data: '00' }],
  );
  const extra = await twoToOne(r.node, a, raw);
  const txId = await r.node.rpc<string>('sendrawtransaction', extra);
  await r.node.mine(1);
  await r.follow();
  const rows = await receiptsAfter(r.db, NETWORK.id, 0n, 10);
  assert.deepEqual(
    rows
      .toSorted((one, other) => Number(one.units - other.units))
      .map((row) => [row.tx_id === txId, row.address, row.units]),
    [
      [true, a.address, 777n],
      [true, a.address, 10_000n],
      [true, b.address, 20_000n],
    ],
  );
  assert.equal(new Set(rows.map((row) => row.position)).size, 3);
});

/** The node refuses two outputs to one address by name, so the second is added to the bytes. */
async function twoToOne(node: Bitcoind, to: { script: Buffer }, raw: string): Promise<string> {
  const bytes = Buffer.from(raw, 'hex');
  // version, no inputs, count of outputs.
  assert.equal(bytes[5], 3);
  const output = Buffer.concat([Buffer.alloc(8), Buffer.of(to.script.length), to.script]);
  output.writeBigUInt64LE(777n, 0);
  const more = Buffer.concat([
    bytes.subarray(0, 5),
    Buffer.of(4),
    bytes.subarray(6, -4),
    output,
    bytes.subarray(-4),
  ]).toString('hex');
  const funded = await node.walletRpc<{ hex: string }>('miner', 'fundrawtransaction', more, {}, false);
  return (await node.walletRpc<{ hex: string }>('miner', 'signrawtransactionwithwallet', funded.hex)).hex;
}

test(
  'a spend of ours is seen in the mempool, in a block, and in the block that made the coin',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.follow();
    const { address } = await r.watchNew();
    const txId = await r.node.send(address, 5_000_000n);
    await r.node.mine(1);
    await r.follow();
    const [coin] = await r.coin(txId);
    assert.equal(coin?.spent_tx_id, null);
    const spender = await spend(r.node, txId, coin.vout, 4_000_000n);
    await r.follow();
    assert.deepEqual(
      (await r.coin(txId)).map((row) => [row.spent_tx_id, row.spent_height]),
      [[spender, null]],
    );
    const [hash] = await r.node.mine(1);
    await r.follow();
    const [spent] = await r.coin(txId);
    assert.equal(spent?.spent_tx_id, spender);
    assert.equal(spent?.spent_block_hash, hash);

    const second = await r.watchNew();
    const made = await r.node.send(second.address, 3_000_000n);
    const vout = await voutOf(r.node, made, second.address);
    const chained = await spend(r.node, made, vout, 2_000_000n);
    await r.node.mine(1);
    await r.follow();
    const [both] = await r.coin(made);
    assert.equal(both?.spent_tx_id, chained);
    assert.equal(both?.spent_height, both?.height);
  },
);

async function voutOf(node: Bitcoind, txId: string, address: string): Promise<number> {
  const tx = await node.rpc<{ vout: { n: number; scriptPubKey: { address?: string } }[] }>(
    'getrawtransaction',
    txId,
    true,
  );
  return tx.vout.find((output) => output.scriptPubKey.address === address)!.n;
}

async function spend(node: Bitcoind, txId: string, vout: number, units: bigint): Promise<string> {
  const to = await node.walletRpc<string>('miner', 'getnewaddress');
  const raw = await node.rpc<string>(
    'createrawtransaction',
    [{ txid: txId, vout, sequence: 0xfffffffd }],
    [{ [to]: coinsText(units) }],
  );
  const signed = await node.walletRpc<{ hex: string }>('miner', 'signrawtransactionwithwallet', raw);
  return node.rpc<string>('sendrawtransaction', signed.hex, 0);
}

for (const depth of [1, 3, 8]) {
  test(
    `a reorg ${depth} deep: mined again elsewhere, each block its own row`,
    { timeout: MINUTE },
    async (t) => {
      const r = await rig(t);
      await r.follow();
      const { address } = await r.watchNew();
      const txId = await r.node.send(address, 50_000n);
      await r.node.mine(depth);
      await r.follow();
      assert.deepEqual(await r.states(txId), ['mined']);
      const { forkHeight, orphaned, mined } = await r.node.reorg({ depth, blocks: depth + 1 });
      assert.deepEqual(await r.step(), { kind: 'reorg', forkHeight, depth });
      assert.deepEqual(await r.states(txId), ['orphaned']);
      assert.equal((await tipOf(r.db, NETWORK.id))?.height, forkHeight);
      await r.follow();
      const rows = await receiptsAfter(r.db, NETWORK.id, 0n, 10);
      assert.deepEqual(
        rows.map((row) => [row.state, row.block_hash]),
        [
          ['orphaned', orphaned[0]],
          ['mined', mined[0]],
        ],
      );
      const [coin] = await r.coin(txId);
      assert.equal(coin?.block_hash, mined[0]);
      const old = await r.db
        .selectFrom('chain_block')
        .select('hash')
        .where('canonical', '=', false)
        .orderBy('height')
        .execute();
      assert.deepEqual(
        old.map((row) => row.hash),
        orphaned,
      );
    },
  );
}

test(
  'a reorg that leaves a deposit out: back in the mempool, and back to its first block',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.follow();
    const { address } = await r.watchNew();
    const txId = await r.node.send(address, 50_000n);
    const [first] = await r.node.mine(1);
    await r.follow();
    const { mined } = await r.node.reorg({ depth: 1, blocks: 2, empty: true });
    await r.follow();
    assert.deepEqual((await r.states(txId)).toSorted(), ['mempool', 'orphaned']);
    assert.equal((await r.coin(txId))[0]?.height, null);
    // The first branch wins after all.
    await r.node.rpc('invalidateblock', mined[0]);
    await r.node.rpc('reconsiderblock', first);
    await r.node.mine(2);
    await r.follow();
    const rows = await receiptsAfter(r.db, NETWORK.id, 0n, 10);
    assert.deepEqual(
      rows.filter((row) => row.state === 'mined').map((row) => row.block_hash),
      [first],
    );
    assert.equal(rows.filter((row) => row.state === 'mempool').length, 0);
    assert.equal((await r.coin(txId))[0]?.block_hash, first);
  },
);

test(
  'a deposit that is double-spent in the new branch is replaced, and its coin is gone',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.node.fundedWallet('payer', 10_000_000n);
    await r.follow();
    const { address } = await r.watchNew();
    const elsewhere = await r.node.walletRpc<string>('miner', 'getnewaddress');
    const [coin] = await r.node.walletRpc<{ txid: string; vout: number }[]>('payer', 'listunspent');
    const signed = async (to: string): Promise<string> => {
      const raw = await r.node.rpc<string>(
        'createrawtransaction',
        [{ txid: coin!.txid, vout: coin!.vout }],
        [{ [to]: coinsText(9_900_000n) }],
      );
      return (await r.node.walletRpc<{ hex: string }>('payer', 'signrawtransactionwithwallet', raw)).hex;
    };
    const ours = await signed(address);
    const theirs = await signed(elsewhere);
    const txId = await r.node.rpc<string>('sendrawtransaction', ours, 0);
    const [block] = await r.node.mine(1);
    await r.follow();
    assert.deepEqual(await r.states(txId), ['mined']);
    await r.node.rpc('invalidateblock', block);
    const miner = await r.node.walletRpc<string>('miner', 'getnewaddress');
    await r.node.rpc('generateblock', miner, [theirs]);
    await r.node.mine(1);
    await r.follow();
    assert.deepEqual(await r.states(txId), ['orphaned']);
    assert.deepEqual(await r.coin(txId), []);
  },
);

test('an unconfirmed deposit replaced by fee, evicted, and back again', { timeout: MINUTE }, async (t) => {
  const r = await rig(t);
  await r.follow();
  const { address } = await r.watchNew();
  const txId = await r.node.send(address, 60_000n);
  await r.follow();
  assert.deepEqual(await r.states(txId), ['mempool']);
  const bumped = await r.node.walletRpc<{ txid: string }>('miner', 'bumpfee', txId, { fee_rate: '50' });
  await r.follow();
  assert.deepEqual(await r.states(txId), ['replaced']);
  assert.deepEqual(await r.states(bumped.txid), ['mempool']);
  assert.deepEqual(await r.coin(txId), []);
  assert.equal((await r.coin(bumped.txid)).length, 1);
  await r.node.mine(1);
  await r.follow();
  assert.deepEqual(await r.states(bumped.txid), ['mined']);
});

test('a coinbase to us is a coin of coinbase', { timeout: MINUTE }, async (t) => {
  const r = await rig(t);
  await r.follow();
  const { address } = await r.watchNew();
  await r.node.mine(1, address);
  await r.follow();
  const rows = await r.db.selectFrom('bitcoin_coin').selectAll().execute();
  assert.deepEqual(
    rows.map((row) => row.coinbase),
    [true],
  );
});

test(
  'deeper than reorgDepthMax: halts, writes nothing, goes on when cleared and mended',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.follow();
    const before = await r.node.mine(NETWORK.reorgDepthMax + 1);
    await r.follow();
    const ours = await tipOf(r.db, NETWORK.id);
    const { mined } = await r.node.reorg({
      depth: NETWORK.reorgDepthMax + 1,
      blocks: NETWORK.reorgDepthMax + 1,
    });
    assert.deepEqual(await r.step(), { kind: 'halted', code: 'REORG_TOO_DEEP' });
    assert.equal((await haltOf(r.db, NETWORK.id))?.code, 'REORG_TOO_DEEP');
    assert.deepEqual(await r.step(), { kind: 'halted', code: 'REORG_TOO_DEEP' });
    assert.equal((await tipOf(r.db, NETWORK.id))?.hash, ours?.hash);
    const events = await r.db.selectFrom('event').select(['type', 'subject']).execute();
    assert.deepEqual(events, [{ type: 'network.halted', subject: NETWORK.id }]);

    await r.node.rpc('invalidateblock', mined[0]);
    await r.node.rpc('reconsiderblock', before[0]);
    await r.node.mine(1);
    await r.db.transaction().execute((trx) => clearHalt(trx, NETWORK.id, new Date()));
    assert.equal((await r.follow()).kind, 'caught-up');
  },
);

test(
  'a node that forgot more blocks than reorgDepthMax halts; one that lags is waited for',
  { timeout: MINUTE },
  async (t) => {
    const node = await testBitcoind(t);
    const r = await rig(t, node);
    await r.follow();
    const few = await node.mine(3);
    await r.follow();
    await node.rpc('invalidateblock', few[0]);
    assert.equal((await r.step()).kind, 'waiting');
    assert.equal(await haltOf(r.db, NETWORK.id), undefined);
    await node.rpc('reconsiderblock', few[0]);
    assert.equal((await r.step()).kind, 'caught-up');
    const many = await node.mine(NETWORK.reorgDepthMax + 1);
    await r.follow();
    await node.rpc('invalidateblock', many[0]);
    assert.deepEqual(await r.step(), { kind: 'halted', code: 'CHAIN_FORGOT_BLOCKS' });
  },
);

test(
  'seen in the mempool, mined and given up again between two looks: it waits in the mempool',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    await r.follow();
    const { address } = await r.watchNew();
    const txId = await r.node.send(address, 90_000n);
    await r.follow();
    await r.node.mine(1);
    assert.equal((await r.step()).kind, 'block');
    await r.node.reorg({ depth: 1, blocks: 2, empty: true });
    while ((await r.step()).kind !== 'caught-up');
    assert.deepEqual(await r.states(txId), ['orphaned']);
    await r.follower.pollMempool();
    assert.deepEqual((await r.states(txId)).toSorted(), ['mempool', 'orphaned']);
  },
);

test(
  'fingerprints that many scripts share: the whole script decides whose output it is',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    const ours = [];
    for (let i = 0; i < 12; i += 1) ours.push(await r.watchNew());
    const tables = weakTables();
    for (const { script, id } of ours) tables.scripts.add(script, 0, script.length, Number(id));
    const to = ours.slice(0, 6).map((one) => one.address);
    for (let i = 0; i < 6; i += 1) to.push(await r.node.walletRpc<string>('miner', 'getnewaddress'));
    for (const address of to) await r.node.send(address, 11_000n);
    const [hash] = await r.node.mine(1);
    const scan = scanBlock(Buffer.from(await r.node.rpc<string>('getblock', hash, 0), 'hex'), tables);
    assert.ok(scan.outputs.length > 12, 'strangers are candidates too');
    assert.ok(scan.outputs.some((output) => output.candidates.length > 1));
    const found = await ownOutputs(r.db, NETWORK.id, scan);
    assert.deepEqual(
      found.map((one) => [one.watchedId, one.output.script.toString('hex')]).toSorted(byId),
      ours
        .slice(0, 6)
        .map((one) => [one.id, one.script.toString('hex')])
        .toSorted(byId),
    );
  },
);

const byId = (a: readonly unknown[], b: readonly unknown[]): number => Number(a[0]) - Number(b[0]);

function weakTables(): ScanTables {
  const table = () => scriptTable({ seed: randomBytes(8), fingerprintBits: 2 });
  return { scripts: table(), coins: table() };
}

test(
  'a child that the mempool lists before its parent still spends the coin',
  { timeout: MINUTE },
  async (t) => {
    const r = await rig(t);
    const { address, script, id } = await r.watchNew();
    const parent = await r.node.send(address, 2_000_000n);
    const vout = await voutOf(r.node, parent, address);
    const child = await spend(r.node, parent, vout, 1_900_000n);
    const raw = async (txId: string) =>
      Buffer.from(await r.node.rpc<string>('getrawtransaction', txId), 'hex');
    const tables: ScanTables = {
      scripts: scriptTable({ seed: randomBytes(8) }),
      coins: scriptTable({ seed: randomBytes(8) }),
    };
    tables.scripts.add(script, 0, script.length, Number(id));
    const scan = scanTransactions([await raw(child), await raw(parent)], tables);
    assert.deepEqual(
      scan.outputs.map((output) => [output.txId, output.vout, output.units]),
      [[parent, vout, 2_000_000n]],
    );
    assert.deepEqual(scan.spends, [{ txId: child, previousTxId: parent, previousVout: vout }]);
    await r.node.mine(1);
  },
);
