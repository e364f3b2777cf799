// Proves that a recipient who makes the replacement of our transaction dear, by a child with a large fee and a small
// rate, gets neither a fee above our cap nor an attempt a step out of us: a child of our own pays within it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { coins } from '../../world/parts/satoshi.ts';
import {
  ask,
  BTC,
  fundBitcoin,
  outsideAddress,
  receivedBitcoin,
  settleDown,
  startStack,
  stateOf,
  until,
} from './test/stack.ts';

/** Above the pipeline's pause after a broadcast, which is longer than this network calls a transaction stuck. */
const STUCK_MS = 6_000;
const stack = await startStack({ after }, { network: { stuckAfterMs: 1000 } });
const pipeline = await stack.pipeline();
const attempts = () =>
  stack.db.selectFrom('spend_attempt').selectAll().orderBy('spend_id').orderBy('n').execute();

/** The recipient of the only transaction spends it on, for this fee in satoshi. */
async function spendOn(destination: string, txId: string, fee: bigint): Promise<void> {
  const [wallet = ''] = await stack.node.rpc<string[]>('listwallets');
  type Paid = { vout: { n: number; scriptPubKey: { address?: string } }[] };
  const { vout: outputs } = await stack.node.rpc<Paid>('getrawtransaction', txId, true);
  const vout = outputs.find((output) => output.scriptPubKey.address === destination)?.n;
  const amount = coins(BTC / 2n - fee);
  const raw = await stack.node.rpc<string>(
    'createrawtransaction',
    [{ txid: txId, vout }],
    [{ [destination]: amount }],
  );
  const { hex } = await stack.node.walletRpc<{ hex: string }>(wallet, 'signrawtransactionwithwallet', raw);
  await stack.node.rpc('sendrawtransaction', hex);
}

async function paidAndPinned(fee: bigint) {
  const customer = await fundBitcoin(stack, pipeline, `customer-${fee}`, [BTC]);
  const destination = await outsideAddress(stack);
  const id = await ask(stack, { customer, asset: 'BTC', network: 'bitcoin', destination, amount: '0.5' });
  await until('out', async () => (await stateOf(stack, id)) === 'broadcast', pipeline.step);
  const before = await attempts();
  await spendOn(destination, before.at(-1)?.tx_id ?? '', fee);
  await sleep(STUCK_MS);
  for (let i = 0; i < 20; i += 1) await pipeline.step();
  return { id, destination, made: (await attempts()).slice(before.length) };
}

test('a child that makes the replacement dearer than our cap: our own child pays, and it is mined', async () => {
  const { id, destination, made } = await paidAndPinned(1_000_000n);
  const spends = await stack.db.selectFrom('spend').select(['id', 'child_of', 'reason']).execute();
  const [child, ...more] = spends.filter(({ child_of: parent }) => parent !== null);
  assert.ok(child);
  assert.deepEqual(more, []);
  assert.ok(made.length > 0 && made.every((attempt) => attempt.spend_id === child.id), 'it is not replaced');
  assert.ok(
    made.every(({ fee_units: fee }) => fee < 100_000n),
    'at what the market asks, not the recipient',
  );
  assert.equal(spends.find((spend) => spend.id !== child.id)?.reason, 'CHILD_PAYS');
  await stack.mine(4);
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, id), 'settled');
  assert.equal(await receivedBitcoin(stack, destination), BTC / 2n - 1_000_000n, 'and the child with it');
  await stack.whole();
});

test('a child within our cap: one replacement, which outbids it', async () => {
  const { made } = await paidAndPinned(5_000n);
  assert.deepEqual(
    made.map(({ state, fee_units: fee }) => [state, fee > 5_000n]),
    [['broadcast', true]],
  );
});
