// Proves: a regtest node keeps its flushed chain and wallets over a stop and kill -9, reorgs on demand, and two agree.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBitcoind } from './bitcoind.ts';
import { RpcError } from './json-rpc.ts';
import { coins } from './satoshi.ts';

test('kill -9 keeps what was flushed, a stop keeps all', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  let node = await startBitcoind({ folder });
  t.after(() => node.stop());
  const { url, rpcPort, p2pPort } = node;
  await node.fundedWallet('alice', 2_100_000_000_000_001n / 100_000n);
  await node.flush();
  const best = await node.rpc<string>('getbestblockhash');

  await node.kill();
  await assert.rejects(node.rpc('getblockcount'), TypeError);
  node = await startBitcoind({ folder, rpcPort, p2pPort });
  assert.equal(node.url, url);
  assert.equal(await node.rpc('getbestblockhash'), best);
  assert.equal(await node.walletRpc('alice', 'getbalance'), 21_000_000_000n);

  const [unflushed] = await node.mine(1);
  await node.stop();
  node = await startBitcoind({ folder, rpcPort, p2pPort });
  assert.equal(await node.rpc('getbestblockhash'), unflushed);
});

test('a reorg gives up blocks; an empty one leaves their transactions unconfirmed', async (t) => {
  const node = await startBitcoind();
  t.after(() => node.stop());
  const address = await node.walletRpc<string>('miner', 'getnewaddress');
  const txid = await node.send(address, 12_345_678n);
  const [confirmedIn] = await node.mine(2);
  const sent = await node.rpc<{ vout: { value: bigint }[] }>('getrawtransaction', txid, 1);
  assert.ok(sent.vout.some((output) => output.value === 12_345_678n));

  const { forkHeight, orphaned, mined } = await node.reorg({ depth: 2, blocks: 3, empty: true });
  assert.equal(orphaned[0], confirmedIn);
  assert.equal(mined.length, 3);
  assert.equal(await node.rpc('getblockcount'), forkHeight + 3);
  assert.deepEqual(await node.rpc('getrawmempool'), [txid]);

  await node.reorg({ depth: 1, blocks: 1 });
  assert.deepEqual(await node.rpc('getrawmempool'), []);
  await assert.rejects(node.reorg({ depth: 1_000_000, blocks: 1 }), { code: 'PART_REFUSED' });
});

test('two nodes part, fork, meet again and take the longer chain', async (t) => {
  const one = await startBitcoind();
  t.after(() => one.stop());
  const two = await startBitcoind({ blocks: 0 });
  t.after(() => two.stop());
  await two.connect(one);
  await two.sync(one);

  await two.disconnect(one);
  await one.mine(1);
  const [longest] = (await two.rpc<string[]>('generatetodescriptor', 2, 'raw(51)')).slice(-1);
  assert.notEqual(await one.rpc('getbestblockhash'), longest);

  await one.connect(two);
  await one.sync(two);
  assert.equal(await one.rpc('getbestblockhash'), longest);
});

test('a refusal carries the node’s number', async (t) => {
  const node = await startBitcoind({ blocks: 0 });
  t.after(() => node.stop());
  await assert.rejects(node.rpc('getblockhash', 999), (error) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.rpcCode, -8);
    return true;
  });
});

test('a payment with lock time 21, which the wallet chooses by chance, is taken', async (t) => {
  const node = await startBitcoind();
  t.after(() => node.stop());
  const to = await node.walletRpc<string>('miner', 'getnewaddress');
  const raw = await node.rpc<string>('createrawtransaction', [], { [to]: coins(50_000_000n) }, 21);
  const funded = await node.walletRpc<{ hex: string }>('miner', 'fundrawtransaction', raw);
  const signed = await node.walletRpc<{ hex: string }>('miner', 'signrawtransactionwithwallet', funded.hex);
  const txId = await node.rpc<string>('sendrawtransaction', signed.hex);
  assert.deepEqual(await node.rpc('getrawmempool'), [txId]);
});
