// Proves on a real EVM node with three real signers that a vault that refuses for now, changes its generation, or says
// that it paid otherwise loses nobody's withdrawal and pays none twice: it waits and says why, is paid later, or halts.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFunctionData, hexToBytes, keccak256, pad, toHex, zeroAddress, type Hex } from 'viem';
import { hotVaultAbi } from '../../contracts/abi/hot-vault.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import { clearHalt, haltOf } from '../controls/controls.ts';
import { evmKit, withoutSigners } from './test/evm-kit.ts';
import { ask, available, ETH, fundEther, settleDown, startStack, timeline, until } from './test/stack.ts';

const DAY_SECONDS = 25 * 3600;
const stack = await startStack({ after }, { evm: true, chainBehindSeconds: 30 * 3600 });
const kit = evmKit(stack);
const { anvil, vault } = kit;
const pipeline = await stack.pipeline();
const unsigned = await stack.pipeline({ effects: withoutSigners(stack.effects) });
const alice = await fundEther(stack, pipeline, 'alice', 60n * ETH);
const order = { customer: alice, asset: 'ETH', network: 'ethereum' };
const FEE = stack.listing('ETH', 'ethereum').withdrawalFeeUnits;
const vaultData = (functionName: 'pause' | 'unpause'): Hex =>
  encodeFunctionData({ abi: hotVaultAbi, functionName });

async function capAt(units: bigint): Promise<void> {
  const args = [zeroAddress, units] as const;
  const call = { abi: hotVaultAbi, functionName: 'cap' } as const;
  const functionName = units < 1_000n * ETH ? 'lowerCap' : 'restoreCap';
  await kit.operate(encodeFunctionData({ ...call, functionName, args }));
}

async function pass(seconds: number): Promise<void> {
  await anvil.rpc('evm_increaseTime', seconds);
  await stack.mine(1);
}

test('more than the cap of 24 hours: the small one goes, the others wait and say so, and go when it allows', async () => {
  const before = await available(stack, alice, 'ETH');
  await capAt(10n * ETH);
  const first = await ask(stack, { ...order, destination: kit.recipient(), amount: '8' });
  await kit.ended(pipeline, [first], 'settled');
  const to = [kit.recipient(), kit.recipient()];
  const large = await ask(stack, { ...order, destination: to[0]!, amount: '5' });
  const small = await ask(stack, { ...order, destination: to[1]!, amount: '1.5' });
  await kit.ended(pipeline, [small], 'settled');
  const waits = await kit.row(large);
  assert.deepEqual([waits.state, waits.reason], ['approved', 'CAP_REACHED']);
  assert.equal((await kit.reasons(large)).filter((reason) => reason === 'CAP_REACHED').length, 1);
  assert.equal(await kit.balanceOf(to[0]!), 0n);
  await pass(DAY_SECONDS);
  await kit.ended(pipeline, [large], 'settled');
  assert.deepEqual(await Promise.all(to.map(kit.balanceOf)), [5n * ETH, (15n * ETH) / 10n]);
  const sums = (145n * ETH) / 10n + 3n * FEE;
  assert.equal(await available(stack, alice, 'ETH'), before - sums);
  await capAt(1_000n * ETH);
  await kit.booksAreTheChain(pipeline);
});

test('the cap falls below a batch that is planned: what fits goes first, the rest when it allows', async () => {
  const to = [kit.recipient(), kit.recipient()];
  const ids = [
    await ask(stack, { ...order, destination: to[0]!, amount: '4' }),
    await ask(stack, { ...order, destination: to[1]!, amount: '3' }),
  ];
  await until('asked', async () => (await kit.row(ids[0]!)).state === 'signing', unsigned.step);
  const spend = await kit.spendOf(ids[0]!);
  assert.match(spend.reason, /^SIGNERS_WAITED_FOR/);
  assert.equal((await kit.row(ids[1]!)).spend_id, spend.id, 'one batch');
  // Five of the 24 hours before are spent already.
  await capAt(5n * ETH + 4n * ETH);
  const paid = async () => (await kit.balanceOf(to[0]!)) === 4n * ETH;
  await until('the first', paid, async () => {
    await pipeline.step();
    await stack.mine(1);
  });
  const isWaiting = async () =>
    (await kit.row(ids[1]!)).reason === 'CAP_REACHED' &&
    (await kit.spendOf(ids[0]!)).reason === 'CAP_REACHED';
  await until('the second waits', isWaiting, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  assert.equal((await kit.row(ids[0]!)).state, 'confirming');
  assert.equal(await kit.balanceOf(to[1]!), 0n);
  await capAt(1_000n * ETH);
  await kit.ended(pipeline, ids, 'settled');
  assert.deepEqual(await Promise.all(to.map(kit.balanceOf)), [4n * ETH, 3n * ETH]);
  const [a, b] = [await kit.row(ids[0]!), await kit.row(ids[1]!)];
  assert.notEqual(a.tx_id, b.tx_id, 'each names the transaction that paid it');
  await kit.booksAreTheChain(pipeline);
});

test('paused before its block: it waits, and the next attempt is of the new generation', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to, amount: '1' });
  const isSent = async () => (await kit.row(id)).tx_id !== null;
  await until('sent', isSent, pipeline.step);
  await kit.operate(vaultData('pause'), { pool: { feeGwei: 90 } });
  await stack.mine(1);
  const isWaiting = async () => (await kit.row(id)).reason === 'VAULT_PAUSED';
  await until('it waits', isWaiting, async () => {
    await settleDown(pipeline);
    await stack.mine(1);
  });
  const planned = await ask(stack, { ...order, destination: kit.recipient(), amount: '1' });
  await settleDown(pipeline);
  const waits = await kit.row(planned);
  assert.deepEqual([waits.state, waits.reason], ['approved', 'VAULT_PAUSED']);
  assert.equal(await kit.balanceOf(to), 0n);
  await kit.operate(vaultData('unpause'));
  await kit.ended(pipeline, [id, planned], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  const generations = (await kit.attemptsOf(id)).map(({ request }) => (request as EvmPayRequest).generation);
  assert.deepEqual(generations, ['1', '2']);
  await kit.booksAreTheChain(pipeline);
});

test('the generation rises while signers are waited for, and again while the call is in the pool: paid once', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to, amount: '1' });
  await until('asked', async () => (await kit.row(id)).state === 'signing', unsigned.step);
  await kit.operate(vaultData('pause'));
  await kit.operate(vaultData('unpause'));
  await until('sent', async () => (await kit.row(id)).tx_id !== null, pipeline.step);
  await kit.operate(vaultData('pause'), { pool: { feeGwei: 99 } });
  await kit.operate(vaultData('unpause'), { pool: { feeGwei: 98 } });
  await stack.mine(1);
  assert.equal(await kit.balanceOf(to), 0n, 'a signature of an earlier generation is dead');
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
  const generations = (await kit.attemptsOf(id)).map(({ request }) => (request as EvmPayRequest).generation);
  assert.deepEqual(generations, ['2', '3', '4']);
  await kit.booksAreTheChain(pipeline);
});

test('the vault wants more signatures than our quorum: it waits with growing pauses, and signs nothing anew', async () => {
  const to = kit.recipient();
  const id = await ask(stack, { ...order, destination: to, amount: '1' });
  const own = (functionName: 'addSigner' | 'setThreshold', arg: never) =>
    kit.operate(encodeFunctionData({ abi: hotVaultAbi, functionName, args: [arg] }), { by: 'owner' });
  await own('addSigner', kit.recipient() as never);
  await own('setThreshold', 3n as never);
  const refused = async () =>
    (await kit.spendOf(id).catch(() => undefined))?.reason === 'VAULT_REFUSES: SignaturesInvalid()';
  await until('refused', refused, pipeline.step);
  for (let i = 0; i < 20; i += 1) await pipeline.step();
  assert.equal((await kit.attemptsOf(id)).length, 1);
  await own('setThreshold', 2n as never);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), ETH);
});

test('an event that says another amount than the order: the network halts, and nothing is settled by it', async () => {
  const to = kit.recipient();
  const before = await available(stack, alice, 'ETH');
  const id = await ask(stack, { ...order, destination: to, amount: '2' });
  await until('asked', async () => (await kit.row(id)).state === 'signing', unsigned.step);
  const { order_number: number } = await kit.row(id);
  const code = await anvil.rpc<Hex>('eth_getCode', vault, 'latest');
  // LOG4 of the call's data: four topics, one word.
  await anvil.rpc('anvil_setCode', vault, '0x60803560005260603560403560203560003560206000a400');
  const paid = keccak256(toHex('Paid(uint64,address,address,uint256)'));
  const words = [paid, toHex(number, { size: 32 }), pad('0x'), pad(to), toHex(ETH, { size: 32 })];
  const data = `0x${words.map((word) => word.slice(2)).join('')}` as const;
  assert.equal(hexToBytes(data).length, 160);
  await kit.as(anvil.accounts[7]!.address, vault, data);
  await anvil.rpc('anvil_setCode', vault, code);
  const isHalted = async () => (await haltOf(stack.db, 'ethereum')) !== undefined;
  await until('halted', isHalted, pipeline.step);
  const halt = (await haltOf(stack.db, 'ethereum'))!;
  assert.equal(halt.code, 'UNKNOWN_SPEND');
  assert.match(halt.detail, new RegExp(`order ${number}`));
  // Nobody follows a network that is halted.
  await anvil.mine(8);
  await settleDown(pipeline);
  assert.ok(['signing', 'confirming'].includes((await kit.row(id)).state));
  assert.equal(await available(stack, alice, 'ETH'), before - 2n * ETH - FEE, 'held');
  assert.equal(await kit.balanceOf(to), 0n);
  // The block with the event goes; a person clears the halt.
  await anvil.reorg(9);
  await anvil.rpc('anvil_setCode', vault, code);
  await stack.db.transaction().execute((trx) => clearHalt(trx, 'ethereum', new Date()));
  await stack.mine(2);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.balanceOf(to), 2n * ETH);
  assert.deepEqual((await timeline(stack, id)).slice(-2), ['confirming', 'settled']);
});
