// Proves: an EVM node keeps its chain over a stop, loses no more than its interval by kill -9, and reorgs on demand.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { privateKeyToAccount } from 'viem/accounts';
import { startAnvil, type Anvil } from './anvil.ts';

interface Block {
  readonly number: string;
  readonly hash: string;
}

const pay = (node: Anvil, wei: bigint) =>
  node.rpc<string>('eth_sendTransaction', {
    from: node.accounts[0]!.address,
    to: node.accounts[1]!.address,
    value: `0x${wei.toString(16)}`,
  });
const block = (node: Anvil, at: string) => node.rpc<Block>('eth_getBlockByNumber', at, false);
const height = async (node: Anvil) => Number(await node.rpc<string>('eth_blockNumber'));

async function temporary(t: { after: (fn: () => Promise<void>) => void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test('a stop keeps blocks, receipts and balances; history keeps the state at old blocks too', async (t) => {
  for (const history of [false, true]) {
    const folder = await temporary(t);
    let node = await startAnvil({ folder, history, chainId: 1337 });
    t.after(() => node.stop());
    const txs = [await pay(node, 7n), await pay(node, 8n)];
    await node.mine(3);
    const before = await block(node, 'latest');
    const balance = await node.rpc('eth_getBalance', node.accounts[1]!.address, 'latest');

    await node.stop();
    node = await startAnvil({ folder, history, chainId: 1337, port: node.port });
    assert.deepEqual(await block(node, 'latest'), before);
    assert.equal(await node.rpc('eth_getBalance', node.accounts[1]!.address, 'latest'), balance);
    const receipt = await node.rpc<{ blockNumber: string }>('eth_getTransactionReceipt', txs[1]);
    assert.equal(receipt.blockNumber, '0x2');
    assert.equal((await node.rpc<unknown[]>('trace_block', '0x1')).length, 1);

    const traced = () => node.rpc('debug_traceTransaction', txs[0], { tracer: 'callTracer' });
    const atOne = () => node.rpc('eth_getBalance', node.accounts[1]!.address, '0x1');
    if (history) {
      assert.equal(((await traced()) as { value: string }).value, '0x7');
      assert.equal(BigInt((await atOne()) as string), BigInt(balance as string) - 8n);
    } else {
      await assert.rejects(traced(), { code: 'RPC_REFUSED' });
      await assert.rejects(atOne(), { code: 'RPC_REFUSED' });
    }
  }
});

test('kill -9 keeps what the interval wrote, and without one nothing', async (t) => {
  const folder = await temporary(t);
  let node = await startAnvil({ folder, stateIntervalSeconds: 1 });
  t.after(() => node.stop());
  await node.mine(5);
  await sleep(2200);
  await node.kill();
  node = await startAnvil({ folder });
  assert.equal(await height(node), 5);
  await node.mine(5);
  await node.kill();
  node = await startAnvil({ folder });
  assert.equal(await height(node), 5);
});

test('started again and again it has the same block 0, and a clock that goes right', async (t) => {
  const folder = await temporary(t);
  let node = await startAnvil({ folder, mining: 'manual' });
  t.after(() => node.stop());
  const genesis = await block(node, '0x0');
  for (let starts = 0; starts < 6; starts += 1) {
    // One in a second: more would push each other ahead of the clock.
    await node.mine(1);
    await node.stop();
    await sleep(1100);
    node = await startAnvil({ folder, mining: 'manual' });
    assert.equal((await block(node, '0x0')).hash, genesis.hash, `start ${starts + 2}`);
  }
  await node.mine(1);
  const { timestamp } = await node.rpc<{ timestamp: string }>('eth_getBlockByNumber', 'latest', false);
  assert.ok(
    Math.abs(Number(timestamp) - Date.now() / 1000) < 3,
    `the block is of now, not ${Number(timestamp)}`,
  );
});

test('a reorg changes hashes and drops transactions; mining, finality and the gas limit are as asked', async (t) => {
  const node = await startAnvil({ mining: 'manual', slotsInAnEpoch: 2 });
  t.after(() => node.stop());
  const tx = await pay(node, 1n);
  assert.equal(await height(node), 0);
  await node.mine(6);
  assert.equal((await block(node, 'safe')).number, '0x4');
  assert.equal((await block(node, 'finalized')).number, '0x2');
  const [kept, replaced] = [await block(node, '0x3'), await block(node, '0x4')];
  await node.reorg(3);
  assert.equal((await block(node, '0x3')).hash, kept.hash);
  assert.notEqual((await block(node, '0x4')).hash, replaced.hash);
  assert.equal(await height(node), 6);
  await node.reorg(6);
  assert.equal(await node.rpc('eth_getTransactionReceipt', tx), null);
  const tooMuchGas = { from: node.accounts[0]!.address, to: node.accounts[1]!.address, gas: '0x1000001' };
  await assert.rejects(node.rpc('eth_sendTransaction', tooMuchGas), { code: 'RPC_REFUSED' });
});

test('two run side by side on chains of their own, with accounts whose keys fit', async (t) => {
  const nodes = await Promise.all([startAnvil({ chainId: 5001 }), startAnvil({ chainId: 5002 })]);
  for (const node of nodes) t.after(() => node.stop());
  const [one, two] = nodes;
  assert.deepEqual([await one.rpc('eth_chainId'), await two.rpc('eth_chainId')], ['0x1389', '0x138a']);
  await one.mine(2);
  assert.deepEqual([await height(one), await height(two)], [2, 0]);
  for (const { address, privateKey } of one.accounts) {
    assert.equal(privateKeyToAccount(privateKey).address, address);
    assert.equal(BigInt(await one.rpc('eth_getBalance', address, 'latest')), 10_000n * 10n ** 18n);
  }
});
