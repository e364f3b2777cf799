// Proves on a real EVM node with three real signers what becomes of payments when the relayer is out of ether, fees are
// too high, its transaction is stuck, a reorg takes the payout back, or another uses its key: paid once, and it says why.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { pino } from 'pino';
import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { relayWaits } from '../chain/evm/evm.ts';
import { clearHalt, haltOf } from '../controls/controls.ts';
import { evmKit } from './test/evm-kit.ts';
import { ask, ETH, fundEther, settleDown, startStack, timeline, until } from './test/stack.ts';

const stack = await startStack({ after }, { evm: true, network: { stuckAfterMs: 60_000 } });
const kit = evmKit(stack);
const { anvil } = kit;
const lines: { msg: string; reason?: string; network?: string }[] = [];
const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
/** So far is core's clock ahead of ours. */
let aheadMs = 0;
const pipeline = await stack.pipeline({ log, now: () => new Date(Date.now() + aheadMs) });
const alice = await fundEther(stack, pipeline, 'alice', 60n * ETH);
const order = { customer: alice, asset: 'ETH', network: 'ethereum', amount: '1' };
const hex = (value: bigint) => `0x${value.toString(16)}`;

async function isTold(id: string, reason: 'FUNDS_LOW' | 'FEE_ABOVE_MAX'): Promise<void> {
  const code = `RELAYER_${reason}`;
  await until(`${code} is said`, async () => (await kit.row(id)).reason === code, pipeline.step);
  assert.equal((await kit.spendOf(id)).reason, code);
  const [wait, ...others] = await relayWaits(stack.db);
  assert.deepEqual([wait?.network, wait?.relayer, wait?.reason], ['ethereum', stack.relayer, reason]);
  assert.deepEqual(others, []);
  for (let i = 0; i < 10; i += 1) await pipeline.step();
  assert.deepEqual((await relayWaits(stack.db))[0]?.since, wait?.since);
  assert.equal(lines.filter((line) => line.reason === reason && line.msg === 'the relayer waits').length, 1);
  assert.equal((await kit.reasons(id)).filter((step) => step === code).length, 1);
}

async function isOver(): Promise<void> {
  assert.deepEqual(await relayWaits(stack.db), []);
  assert.equal(lines.at(-1)?.msg, 'the relayer goes on');
}

async function attempts(id: string): Promise<{ tx_id: string; fee: bigint }[]> {
  const { rows } = await stack.pool.query<{ tx_id: string; fee: bigint }>(
    `select a.tx_id, a.fee_per_gas_max as fee from evm_attempt a join evm_call c on c.id = a.call_id
     join spend_attempt s on s.id = c.key where s.spend_id = $1 order by a.n`,
    [(await kit.row(id)).spend_id],
  );
  return rows;
}

test('out of ether: it waits and says so once, and goes on by itself with the same transaction', async () => {
  const float = await kit.balanceOf(stack.relayer);
  await anvil.rpc('anvil_setBalance', stack.relayer, '0x1');
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to });
  await isTold(id, 'FUNDS_LOW');
  assert.equal(await kit.balanceOf(to), 0n);
  await anvil.rpc('anvil_setBalance', stack.relayer, hex(float));
  await kit.ended(pipeline, [id], 'settled');
  assert.equal((await attempts(id)).length, 1);
  assert.equal(await kit.balanceOf(to), ETH);
  await isOver();
  await kit.booksAreTheChain(pipeline);
});

test('fees above the maximum: it waits without a nonce and says so once, and goes on when they fall', async () => {
  await anvil.rpc('anvil_setNextBlockBaseFeePerGas', hex(900n * 10n ** 9n));
  await stack.mine(1);
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to });
  await isTold(id, 'FEE_ABOVE_MAX');
  assert.deepEqual(await attempts(id), []);
  await anvil.rpc('anvil_setNextBlockBaseFeePerGas', hex(10n ** 9n));
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  await isOver();
  await kit.booksAreTheChain(pipeline);
});

test('stuck: replaced at a higher fee, which is what is mined and named, and paid once', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to });
  await until('sent', async () => (await kit.row(id)).tx_id !== null, pipeline.step);
  aheadMs += 61_000;
  await until('replaced', async () => (await attempts(id)).length === 2, pipeline.step);
  const [first, second] = await attempts(id);
  assert.ok(first && second && second.fee >= (first.fee * 1125n) / 1000n);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal((await kit.row(id)).tx_id, second.tx_id);
  assert.equal(await kit.balanceOf(to), ETH);
  await kit.booksAreTheChain(pipeline);
});

test('a reorg takes the payout back: it is on its way again, mined again, and settled once', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to });
  const isMined = async () => (await kit.row(id)).state === 'confirming';
  await until('mined', isMined, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  await anvil.reorg(3);
  await stack.mine(1);
  assert.equal(await kit.balanceOf(to), 0n);
  await until('on its way again', async () => (await kit.row(id)).state === 'broadcast', pipeline.step);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  const way = await timeline(stack, id);
  assert.deepEqual(way.slice(-4), ['confirming', 'broadcast', 'confirming', 'settled']);
  assert.equal(way.filter((state) => state === 'settled').length, 1);
  await kit.booksAreTheChain(pipeline);
});

test('another uses its key: the network halts, nothing is called paid, and another key pays it', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to });
  await until('sent', async () => (await kit.row(id)).tx_id !== null, pipeline.step);
  const [{ tx_id: txId } = { tx_id: '' }] = await attempts(id);
  // The same nonce, at more than the first of the pool offers.
  const sent = await anvil.rpc<{ nonce: string }>('eth_getTransactionByHash', txId);
  await anvil.rpc('anvil_impersonateAccount', stack.relayer);
  await anvil.rpc('eth_sendTransaction', {
    from: stack.relayer,
    to: kit.recipient(),
    nonce: sent.nonce,
    gas: '0xfde8',
    maxFeePerGas: hex(400n * 10n ** 9n),
    maxPriorityFeePerGas: hex(300n * 10n ** 9n),
  });
  const isHalted = async () => (await haltOf(stack.db, 'ethereum')) !== undefined;
  await until('halted', isHalted, async () => {
    await stack.mine(1);
    await settleDown(pipeline);
  });
  assert.equal((await haltOf(stack.db, 'ethereum'))!.code, 'RELAYER_NONCE_FOREIGN');
  await settleDown(pipeline);
  assert.equal((await kit.row(id)).state, 'broadcast');
  assert.equal(await kit.balanceOf(to), 0n);
  await stack.whole();
  // A person gives the relayer another key, with ether, and clears the halt.
  const key: Hex = generatePrivateKey();
  writeFileSync(kit.network.relayerKeyFile, key);
  await anvil.rpc('anvil_setBalance', privateKeyToAccount(key).address, hex(ETH));
  await stack.db.transaction().execute((trx) => clearHalt(trx, 'ethereum', new Date()));
  await kit.ended(await stack.pipeline(), [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  assert.equal((await attempts(id)).length, 2);
});
