// Proves against a real node that what the quorum signs confirms, and that a replacement replaces.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import { testBitcoind } from '../../world/testing.ts';
import { decodeTransaction, virtualSize } from '../vault/bitcoin-transaction.ts';
import {
  bitcoinRequest,
  makeQuorum,
  orderJson,
  signed,
  walletPayment,
  type BitcoinParts,
  type Coin,
} from './quorum.ts';

const quorum = makeQuorum();
const { manifest, vaults } = quorum;
after(quorum.close);
const network = bitcoin.networks.regtest;

/** Signs by the two vaults and gives the transaction that would be broadcast. */
function signByTwo(parts: BitcoinParts, pair: readonly number[]): bitcoin.Transaction {
  const request = bitcoinRequest(manifest, parts);
  const partials = pair.map((i) => bitcoin.Psbt.fromBase64(signed(vaults[i]!, request).psbt!, { network }));
  const whole = bitcoin.Psbt.fromBase64(request.psbt, { network }).combine(...partials);
  assert.ok(whole.validateSignaturesOfAllInputs((key, hash, signature) => ecc.verify(hash, key, signature)));
  const transaction = whole.finalizeAllInputs().extractTransaction();
  const decoded = decodeTransaction(request.psbt);
  assert.ok(decoded.ok);
  const estimate = virtualSize(decoded.value, manifest.threshold)!;
  const size = transaction.virtualSize();
  assert.ok(estimate >= size && estimate <= size * 1.01 + 1, `${estimate} for ${size} vB`);
  return transaction;
}

test('deposits at the descriptor’s addresses are paid out, replaced at a higher fee, and confirm', async (t) => {
  const node = await testBitcoind(t);
  const keys = manifest.signers.map(({ xpub }) => `${xpub}/<0;1>/*`).join(',');
  const described = `wsh(sortedmulti(2,${keys}))`;
  const { descriptor } = await node.rpc<{ descriptor: string }>(
    'getdescriptorinfo',
    described.replaceAll('<0;1>', '0'),
  );
  const coins: Coin[] = [];
  for (const index of [0, 7, 1000]) {
    const { address } = walletPayment(manifest, 0, index);
    const derived = await node.rpc<string[]>('deriveaddresses', descriptor, [index, index]);
    assert.deepEqual(derived, [address], 'the node derives the same address');
    const previous = bitcoin.Transaction.fromHex(
      await node.rpc<string>('getrawtransaction', await node.send(address, 100_000n)),
    );
    for (const input of previous.ins) input.witness = [];
    const script = bitcoin.address.toOutputScript(address, network);
    const vout = previous.outs.findIndex((out) => Buffer.compare(out.script, script) === 0);
    coins.push({ previous, vout, value: 100_000n, branch: 0, index });
  }
  await node.mine(1);
  const orders = [1, 2].map((i) =>
    orderJson({ destination: walletPayment(manifest, 0, 500 + i).address, amount: '80000' }),
  );
  const change = (value: bigint) => ({ coins, orders, change: { index: 2, value } });
  const slow = signByTwo(change(139_000n), [0, 2]);
  await node.rpc('sendrawtransaction', slow.toHex());
  const fast = signByTwo(change(130_000n), [1, 2]);
  await node.rpc('sendrawtransaction', fast.toHex());
  assert.deepEqual(await node.rpc('getrawmempool'), [fast.getId()], 'the replacement stands alone');
  await node.mine(1);
  const mined = await node.rpc<{ confirmations: bigint | number }>('getrawtransaction', fast.getId(), true);
  assert.equal(Number(mined.confirmations), 1);
});
