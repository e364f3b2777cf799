// Proves against real nodes that a signer's own node stands in the way of coins that are made up, shallow, spent
// or reorganised away, and that a node that is away, behind or of another chain lets nothing through.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import { testBitcoind } from '../../world/testing.ts';
import {
  REGTEST,
  TESTNET,
  bitcoinRequest,
  coin as madeUpCoin,
  evmRequest,
  makeQuorum,
  orderJson,
  walletPayment,
  type Coin,
} from '../test/quorum.ts';
import { openWitness, type BitcoinWitness } from './witness.ts';

const quorum = makeQuorum();
const { manifest } = quorum;
after(quorum.close);
const node = await testBitcoind({ after });

const own = (fields: Partial<BitcoinWitness> = {}): BitcoinWitness => {
  const url = new URL(node.url);
  return {
    network: REGTEST,
    url: url.origin,
    login: `${url.username}:${url.password}`,
    depositDepth: 3,
    changeDepth: 1,
    tipAgeMaxMinutes: undefined,
    ...fields,
  };
};

const codeOf = async (request: unknown, fields: Partial<BitcoinWitness> = {}): Promise<string | undefined> =>
  (await openWitness({ nodes: [own(fields)], nowMs: () => Date.now() }).check(request))?.code;

/** A coin of the wallet, in the mempool until a block is mined. */
async function pay(branch: 0 | 1, index: number): Promise<Coin> {
  const { address } = walletPayment(manifest, branch, index);
  const txid = await node.send(address, 100_000n);
  const previous = bitcoin.Transaction.fromHex(await node.rpc<string>('getrawtransaction', txid));
  for (const input of previous.ins) input.witness = [];
  const script = bitcoin.address.toOutputScript(address, bitcoin.networks.regtest);
  const vout = previous.outs.findIndex((out) => Buffer.compare(out.script, script) === 0);
  return { previous, vout, value: 100_000n, branch, index };
}

const requestOf = (...coins: Coin[]) =>
  bitcoinRequest(manifest, { coins, orders: [orderJson({ amount: '80000' })] });

test('a deposit counts at its depth, change at its own, and neither in the mempool', async () => {
  const [deposit, change] = [await pay(0, 1), await pay(1, 1)];
  const [paid, kept] = [requestOf(deposit), requestOf(change)];
  assert.equal(await codeOf(paid), 'COIN_UNKNOWN');
  assert.equal(await codeOf(kept), 'COIN_UNKNOWN');
  await node.mine(1);
  assert.equal(await codeOf(paid), 'COIN_UNCONFIRMED');
  assert.equal(await codeOf(kept), undefined);
  await node.mine(2);
  assert.equal(await codeOf(paid), undefined);
  assert.equal(await codeOf(requestOf(deposit, change)), undefined);
});

test('a coin that no block holds is refused, alone and beside real ones', async () => {
  const real = await pay(0, 2);
  await node.mine(3);
  assert.equal(await codeOf(requestOf(real)), undefined);
  assert.equal(await codeOf(requestOf(madeUpCoin(manifest, 100_000n))), 'COIN_UNKNOWN');
  assert.equal(await codeOf(requestOf(real, madeUpCoin(manifest, 100_000n))), 'COIN_UNKNOWN');
});

test('a coin whose block the own node has left is refused, and taken again when it returns', async () => {
  const deposit = await pay(0, 3);
  const request = requestOf(deposit);
  await node.mine(3);
  assert.equal(await codeOf(request), undefined);
  const height = Number(await node.rpc('getblockcount'));
  const block = await node.rpc<string>('getblockhash', height - 2);
  await node.rpc('invalidateblock', block);
  assert.equal(await codeOf(request), 'COIN_UNKNOWN');
  await node.rpc('reconsiderblock', block);
  assert.equal(await codeOf(request), undefined);
});

test('a node that is away, refuses the login or follows another chain lets nothing through', async () => {
  const deposit = await pay(0, 4);
  const request = requestOf(deposit);
  await node.mine(3);
  assert.equal(await codeOf(request), undefined);
  assert.equal(await codeOf(request, { url: 'http://127.0.0.1:1' }), 'NODE_UNREACHABLE');
  assert.equal(await codeOf(request, { login: 'portcullis:wrong' }), 'NODE_UNREACHABLE');
  assert.equal(await codeOf({ ...request, network: TESTNET }, { network: TESTNET }), 'CHAIN_MISMATCH');
});

test('what it has no node for, and what the vault cannot read either, is left to the vault', async () => {
  assert.equal(await codeOf(evmRequest()), undefined);
  assert.equal(await codeOf({ type: 'bitcoin-pay' }), undefined);
  const none = openWitness({ nodes: [], nowMs: () => 0 });
  assert.deepEqual(none.networks, []);
  assert.equal(await none.check(requestOf(madeUpCoin(manifest, 100_000n))), undefined);
});

test('a node that knows of blocks which it has not followed, or whose tip is old, lets nothing through', async (t) => {
  const deposit = await pay(0, 5);
  const request = requestOf(deposit);
  await node.mine(3);
  const at = (nowMs: number, fields: Partial<BitcoinWitness>) =>
    openWitness({ nodes: [own(fields)], nowMs: () => nowMs }).check(request);
  const { time } = await node.rpc<{ time: number | bigint }>('getblockchaininfo');
  const tipMs = Number(time) * 1000;
  assert.equal((await at(tipMs + 60 * 60_000, { tipAgeMaxMinutes: 60 }))?.code, undefined);
  assert.equal((await at(tipMs + 61 * 60_000, { tipAgeMaxMinutes: 60 }))?.code, 'NODE_BEHIND');
  assert.equal((await at(tipMs + 61 * 60_000, {}))?.code, undefined);
  // Another branch with more work, of which it is told the headers alone.
  const other = await testBitcoind(t);
  const behind = Number(await node.rpc('getblockcount')) - Number(await other.rpc('getblockcount'));
  await other.mine(Math.max(0, behind) + 1);
  const height = Number(await other.rpc('getblockcount'));
  for (let i = 1; i <= height; i += 1) {
    const header = await other.rpc('getblockheader', await other.rpc('getblockhash', i), false);
    await node.rpc('submitheader', header);
  }
  assert.equal(await codeOf(request), 'NODE_BEHIND');
});
