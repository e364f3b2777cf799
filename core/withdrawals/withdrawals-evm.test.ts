// Proves withdrawals from the vault on a real EVM node with three real signers: batches paid once and booked with
// their gas; a recipient that fails; a vault that is short; a call that reverts and is made anew.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Address } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Id } from '../../lib/ids/ids.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance } from '../ledger/ledger.ts';
import {
  ask,
  available,
  ETH,
  fundEther,
  settleDown,
  startStack,
  stateOf,
  timeline,
  until,
} from './test/stack.ts';
import { withdrawalById } from './withdrawals.ts';

const stack = await startStack({ after }, { evm: true });
const anvil = stack.anvil!;
const [vault] = stack.config.networks.flatMap((one) => (one.kind === 'evm' ? [one.vault] : []));
assert.ok(vault);
const pipeline = await stack.pipeline();
const alice = await fundEther(stack, pipeline, 'alice', 50n * ETH);
const order = { customer: alice, asset: 'ETH', network: 'ethereum' };
const PAID = ['requested', 'approved', 'batched', 'signing', 'broadcast', 'confirming', 'settled'];
const FEE = stack.listing('ETH', 'ethereum').withdrawalFeeUnits;

let recipients = 0;
const recipient = (): Address => {
  recipients += 1;
  return privateKeyToAccount(`0x${recipients.toString(16).padStart(64, '7')}`).address;
};
const balanceOf = async (address: string): Promise<bigint> =>
  BigInt(await anvil.rpc<string>('eth_getBalance', address, 'latest'));

async function ended(ids: readonly Id<'withdrawal'>[], state: string): Promise<void> {
  const all = async () =>
    (await Promise.all(ids.map((id) => stateOf(stack, id)))).every((found) => found === state);
  await until(state, all, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  await stack.whole();
}

/** What the books say that vault and relayer hold is what the node says. */
async function booksAreTheChain(): Promise<void> {
  const of = async (kind: 'hot' | 'gas') =>
    -(await accountBalance(executorOf(stack.db), { kind, asset: 'ETH', network: 'ethereum' }));
  const enough = async () =>
    (await of('hot')) === (await balanceOf(vault!)) && (await of('gas')) === (await balanceOf(stack.relayer));
  await until('books and chain', enough, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
}

test('a batch in one call of the vault, each order paid once, booked with its gas', async () => {
  const before = await available(stack, alice, 'ETH');
  const tos = [recipient(), recipient(), recipient()];
  const ids = [];
  for (const destination of tos) ids.push(await ask(stack, { ...order, destination, amount: '1.5' }));
  await ended(ids, 'settled');
  for (const to of tos) assert.equal(await balanceOf(to), (15n * ETH) / 10n);
  for (const id of ids) assert.deepEqual(await timeline(stack, id), PAID);
  const txIds = await Promise.all(ids.map(async (id) => (await withdrawalById(stack.db, id))!.row.tx_id));
  assert.equal(new Set(txIds).size, 1);
  assert.equal(await available(stack, alice, 'ETH'), before - 3n * ((15n * ETH) / 10n + FEE));
  await booksAreTheChain();
});

test('a recipient that fails: the hold is released, the others of the batch are paid', async () => {
  const before = await available(stack, alice, 'ETH');
  const refusing = recipient();
  await anvil.rpc('anvil_setCode', refusing, '0x60006000fd');
  const good = recipient();
  const bad = await ask(stack, { ...order, destination: refusing, amount: '2' });
  const fine = await ask(stack, { ...order, destination: good, amount: '1' });
  await ended([fine], 'settled');
  assert.equal(await stateOf(stack, bad), 'failed');
  assert.equal((await withdrawalById(stack.db, bad))!.row.reason, 'PAYOUT_FAILED');
  assert.equal(await balanceOf(good), ETH);
  assert.equal(await balanceOf(refusing), 0n);
  assert.equal(await available(stack, alice, 'ETH'), before - ETH - FEE);
  await booksAreTheChain();
});

test('more than the vault has: waits and says so; paid once there is enough', async () => {
  const lack = (await balanceOf(vault)) - ETH;
  await anvil.rpc('anvil_setBalance', vault, `0x${ETH.toString(16)}`);
  const to = recipient();
  const id = await ask(stack, { ...order, destination: to, amount: '3' });
  await settleDown(pipeline);
  const { row } = (await withdrawalById(stack.db, id))!;
  assert.deepEqual([row.state, row.reason], ['approved', 'LIQUIDITY_SHORT']);
  await anvil.rpc('anvil_setBalance', vault, `0x${(ETH + lack).toString(16)}`);
  await ended([id], 'settled');
  assert.equal(await balanceOf(to), 3n * ETH);
});

test('the call reverts on chain: its gas is booked, another attempt pays, once', async () => {
  const to = recipient();
  const id = await ask(stack, { ...order, destination: to, amount: '1' });
  await until(
    'queued',
    async () => (await calls(id)).length === 1,
    async () => {
      await pipeline.step();
    },
  );
  await until('sent', async () => (await sent()) > 0, pipeline.step);
  // The block that takes it finds the vault empty.
  const held = await balanceOf(vault);
  await anvil.rpc('anvil_setBalance', vault, '0x0');
  await stack.mine(1);
  await anvil.rpc('anvil_setBalance', vault, `0x${held.toString(16)}`);
  await ended([id], 'settled');
  assert.equal(await balanceOf(to), ETH);
  assert.equal((await calls(id)).length, 2);
  const costs = (await calls(id)).map((call) => call.cost_wei ?? 0n);
  assert.ok(costs.every((wei) => wei > 0n));
  await booksAreTheChain();
});

async function sent(): Promise<number> {
  const { length } = await stack.db.selectFrom('evm_call').select('id').where('state', '=', 'sent').execute();
  return length;
}

async function calls(id: Id<'withdrawal'>) {
  const spend = (await withdrawalById(stack.db, id))!.row.spend_id ?? '';
  return stack.db
    .selectFrom('evm_call')
    .innerJoin('spend_attempt', 'spend_attempt.id', 'evm_call.key')
    .select(['evm_call.id', 'evm_call.cost_wei'])
    .where('spend_attempt.spend_id', '=', spend)
    .execute();
}
