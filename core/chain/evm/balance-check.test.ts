// Proves on a real node that ether which nothing carried is found at a deposit address, once; that what was seen, was
// delivered or lies elsewhere is not found again; and that a reorg takes it back with its block.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Address } from 'viem';
import { commitTo } from '../../db/db.ts';
import { eventsAfter } from '../../audit/audit.ts';
import { checkBalances } from './balance-check.ts';
import { encodeFlush } from './pay-call.ts';
import { evmRpc } from './rpc.ts';
import { deployed, ETHER, followed, testDb, type Deployed, type Followed } from './test/evm-rig.ts';

const LONG = { timeout: 120_000 };

async function setUp(t: TestContext, id: string, chainId: number) {
  const db = await testDb(t);
  const there = await deployed(id, chainId);
  t.after(() => there.node.stop());
  const watch = await followed(db, there);
  const check = (addressesMax?: number): Promise<number> =>
    checkBalances({
      db,
      commit: commitTo(db),
      network: { id },
      rpc: evmRpc({ urls: [there.node.url] }),
      now: () => new Date(),
      ...(addressesMax === undefined ? {} : { addressesMax }),
    });
  /** A block, followed, and the check that goes with it. */
  const block = async (): Promise<number> => {
    await there.node.mine(1);
    await watch.follow();
    return check();
  };
  return { db, there, watch, check, block };
}

const pay = (there: Deployed, to: Address, units: bigint): Promise<unknown> =>
  there.node.rpc('eth_sendTransaction', {
    from: there.node.accounts[5]!.address,
    to,
    value: `0x${units.toString(16)}`,
  });

/** As the consensus layer does it for a validator: the balance is there, and no transaction says why. */
async function drop(there: Deployed, address: Address, units: bigint): Promise<void> {
  const has = BigInt(await there.node.rpc<string>('eth_getBalance', address, 'latest'));
  await there.node.rpc('anvil_setBalance', address, `0x${(has + units).toString(16)}`);
}

async function found(watch: Followed): Promise<[string, bigint, string][]> {
  return (await watch.receipts())
    .filter(({ position }) => position.startsWith('balance:'))
    .map(({ address, units, state }) => [address, units, state]);
}

test(
  'ether without a transaction is found once; a payment that was seen is not found again',
  LONG,
  async (t) => {
    const { db, there, watch, check, block } = await setUp(t, 'found', 6101);
    const [rewarded, paid] = [await watch.address(), await watch.address()];
    await pay(there, paid.address, ETHER);
    await watch.follow();
    assert.equal(await check(), 0, 'what a transaction carried is known');
    await drop(there, rewarded.address, 5n);
    await drop(there, paid.address, 7n);
    assert.equal(await check(), 0, 'a block is looked at once');
    assert.equal(await block(), 2);
    assert.deepEqual(await found(watch), [
      [rewarded.address, 5n, 'mined'],
      [paid.address, 7n, 'mined'],
    ]);
    assert.equal(await block(), 0, 'and is known from then on');
    await drop(there, rewarded.address, 1n);
    assert.equal(await block(), 1, 'more of it is found too');
    assert.equal((await found(watch)).at(-1)?.[1], 1n);
    const told = (await eventsAfter(db, 0n, 100)).filter(({ type }) => type === 'network.ether_found');
    assert.equal(told.length, 3);
  },
);

test('a coinbase of a deposit address: the reward is found', LONG, async (t) => {
  const { there, watch, block } = await setUp(t, 'coinbase', 6102);
  const miner = await watch.address();
  await there.node.rpc('anvil_setCoinbase', miner.address);
  await pay(there, there.wallet, 1n);
  await there.node.rpc('anvil_setCoinbase', '0x00000000000000000000000000000000000000c0');
  await watch.follow();
  const has = BigInt(await there.node.rpc<string>('eth_getBalance', miner.address, 'latest'));
  assert.ok(has > 0n, 'the node pays its miner');
  assert.equal(await block(), 1);
  assert.deepEqual(await found(watch), [[miner.address, has, 'mined']]);
});

test('emptied addresses: what was delivered is not found again, what comes after is', LONG, async (t) => {
  const { there, watch, block } = await setUp(t, 'emptied', 6103);
  const { address, salt } = await watch.address();
  await pay(there, address, ETHER);
  await drop(there, address, 3n);
  await there.send({ to: there.system.factory, data: encodeFlush([salt], []) });
  await watch.follow();
  assert.equal(await block(), 0, 'its delivery tells of all that was there');
  await drop(there, address, 9n);
  assert.equal(await block(), 1);
  assert.deepEqual(await found(watch), [[address, 9n, 'mined']]);
  await there.send({ to: there.system.factory, data: encodeFlush([salt], []) });
  await watch.follow();
  assert.equal(await block(), 0);
});

test(
  'a reorg takes what was found back with its block, and the next check finds it again',
  LONG,
  async (t) => {
    const { there, watch, block } = await setUp(t, 'back', 6104);
    const { address } = await watch.address();
    await there.node.mine(1);
    await drop(there, address, 5n);
    await there.node.mine(1);
    assert.equal(await block(), 1);
    await there.node.reorg(1);
    await watch.follow();
    assert.deepEqual(await found(watch), [[address, 5n, 'orphaned']]);
    await there.node.mine(1);
    assert.equal(await block(), 1);
    assert.deepEqual(
      (await found(watch)).map(([, units, state]) => [units, state]),
      [
        [5n, 'orphaned'],
        [5n, 'mined'],
      ],
    );
  },
);

test(
  'round and round in bounded steps, one for each block; less than there should be is told',
  LONG,
  async (t) => {
    const { db, there, watch, check } = await setUp(t, 'round', 6105);
    const all = [await watch.address(), await watch.address(), await watch.address()];
    for (const { address } of all) await drop(there, address, 2n);
    const founds: number[] = [];
    for (let i = 0; i < 4; i += 1) {
      await there.node.mine(1);
      await watch.follow();
      founds.push(await check(2));
    }
    assert.deepEqual(founds, [2, 1, 0, 0]);
    await there.node.rpc('anvil_setBalance', all[0]!.address, '0x1');
    await there.node.mine(1);
    await watch.follow();
    await check(2);
    const missing = (await eventsAfter(db, 0n, 100)).filter(({ type }) => type === 'network.ether_missing');
    assert.deepEqual(
      missing.map(({ data }) => [data['address'], data['units']]),
      [[all[0]!.address, '-1']],
    );
  },
);
