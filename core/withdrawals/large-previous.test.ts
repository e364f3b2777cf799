// Proves that coins whose previous transactions are large never make a spend that no signer can be asked for: a
// stranger chooses how large the transaction is that pays us, and a spend that was begun is never dropped.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ask, available, BTC, outsideAddress, settleDown, startStack, stateOf, until } from './test/stack.ts';
import { cancelWithdrawal, withdrawalById } from './withdrawals.ts';

/** 100,000 virtual bytes are the most that nodes relay. */
const PADDING_BYTES = 98_000;
/** More of them than a request to a signer holds: 4 MiB of base64. */
const COINS = 36;

const stack = await startStack({ after });
const pipeline = await stack.pipeline();

/** Pays an address by a transaction that is as large as nodes relay. */
async function payLargely(address: string, amount: string): Promise<void> {
  const [wallet = ''] = await stack.node.rpc<string[]>('listwallets');
  const padding = { data: '00'.repeat(PADDING_BYTES) };
  const raw = await stack.node.rpc<string>('createrawtransaction', [], [{ [address]: amount }, padding]);
  const { hex } = await stack.node.walletRpc<{ hex: string }>(wallet, 'fundrawtransaction', raw, {
    fee_rate: 2,
  });
  const signed = await stack.node.walletRpc<{ hex: string }>(wallet, 'signrawtransactionwithwallet', hex);
  const miner = await stack.node.walletRpc<string>(wallet, 'getnewaddress');
  await stack.node.rpc('generateblock', miner, [signed.hex]);
}

test('coins with large previous transactions pay what fits into a request, and hold up nothing else', async () => {
  const customer = await stack.customer('miner');
  const address = await stack.address(customer, 'bitcoin');
  for (let i = 0; i < COINS; i += 1) await payLargely(address, '0.5');
  await stack.mine(8);
  const total = (BTC / 2n) * BigInt(COINS);
  await until('the deposits', async () => (await available(stack, customer, 'BTC')) === total, pipeline.step);
  const destination = await outsideAddress(stack);
  const order = { customer, asset: 'BTC', network: 'bitcoin', destination };
  const all = await ask(stack, { ...order, amount: '17.8' });
  await settleDown(pipeline);
  assert.equal(await stateOf(stack, all), 'approved', 'no signer was asked for what none would read');
  assert.equal((await withdrawalById(stack.db, all))?.row.reason, 'TRANSACTION_TOO_LARGE');
  assert.deepEqual(await cancelWithdrawal({ db: stack.db, now: () => new Date() }, all, 'api'), { ok: true });
  const some = await ask(stack, { ...order, amount: '10' });
  await until('paid', async () => (await stateOf(stack, some)) === 'broadcast', pipeline.step);
  await stack.whole();
});
