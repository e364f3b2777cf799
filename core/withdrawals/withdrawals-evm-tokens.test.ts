// Proves withdrawals of tokens on a real EVM node with three real signers: one without return values and with its fee
// switched on, one that blocks a recipient, and one that is paused or blocks the vault: no payment is burnt on it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFunctionData } from 'viem';
import { testUSDCAbi } from '../../contracts/abi/test-usdc.ts';
import { testUSDTAbi } from '../../contracts/abi/test-usdt.ts';
import { executorOf } from '../db/db.ts';
import { accountBalance } from '../ledger/ledger.ts';
import { evmKit, withoutSigners } from './test/evm-kit.ts';
import { ask, available, settleDown, startStack, stateOf, until } from './test/stack.ts';

const UNIT = 1_000_000n;
const FEE = UNIT;
const stack = await startStack({ after }, { evm: true });
const kit = evmKit(stack);
const pipeline = await stack.pipeline();
const unsigned = await stack.pipeline({ effects: withoutSigners(stack.effects) });
const alice = await kit.fundToken(pipeline, 'USDT', 'alice', 10_000n * UNIT);
const bob = await kit.fundToken(pipeline, 'USDC', 'bob', 10_000n * UNIT);
const usdt = { customer: alice, asset: 'USDT', network: 'ethereum' };
const usdc = { customer: bob, asset: 'USDC', network: 'ethereum' };
const usdcCall = (functionName: 'pause' | 'unpause') =>
  kit.ownToken('USDC', encodeFunctionData({ abi: testUSDCAbi, functionName }));
const usdcBlock = (functionName: 'blacklist' | 'unBlacklist', who: `0x${string}`) =>
  kit.ownToken('USDC', encodeFunctionData({ abi: testUSDCAbi, functionName, args: [who] }));

/** What the books say that the vault holds of a token is what its contract says. */
async function booksAreTheChain(asset: 'USDT' | 'USDC'): Promise<void> {
  const hot = { kind: 'hot', asset, network: 'ethereum' } as const;
  const booked = -(await accountBalance(executorOf(stack.db), hot));
  assert.equal(booked, await kit.tokensOf(asset, kit.vault));
}

async function isWaiting(id: string, state: string): Promise<void> {
  const waits = async () => {
    const row = await kit.row(id);
    return row.state === state && row.reason === 'TOKEN_REFUSES';
  };
  await until('it waits for the token', waits, pipeline.step);
}

test('USDT, which answers nothing: paid; with its fee on, the recipient gets less and the books stay true', async () => {
  const to = [kit.recipient(), kit.recipient()];
  const plain = await ask(stack, { ...usdt, destination: to[0]!, amount: '100' });
  await kit.ended(pipeline, [plain], 'settled');
  const setParams = (rate: bigint, max: bigint) =>
    kit.ownToken(
      'USDT',
      encodeFunctionData({ abi: testUSDTAbi, functionName: 'setParams', args: [rate, max] }),
    );
  await setParams(10n, 40n);
  const charged = await ask(stack, { ...usdt, destination: to[1]!, amount: '100' });
  await kit.ended(pipeline, [charged], 'settled');
  await setParams(0n, 0n);
  assert.equal(await kit.tokensOf('USDT', to[0]!), 100n * UNIT);
  assert.equal(await kit.tokensOf('USDT', to[1]!), 100n * UNIT - UNIT / 10n);
  assert.equal(await available(stack, alice, 'USDT'), 10_000n * UNIT - 200n * UNIT - 2n * FEE);
  await booksAreTheChain('USDT');
});

test('a recipient that USDC blocks: its hold is released once, the other of the batch is paid', async () => {
  const before = await available(stack, bob, 'USDC');
  const [blocked, good] = [kit.recipient(), kit.recipient()];
  await usdcBlock('blacklist', blocked);
  const bad = await ask(stack, { ...usdc, destination: blocked, amount: '20' });
  const fine = await ask(stack, { ...usdc, destination: good, amount: '30' });
  await kit.ended(pipeline, [fine], 'settled');
  assert.deepEqual([await stateOf(stack, bad), (await kit.row(bad)).reason], ['failed', 'PAYOUT_FAILED']);
  const alone = await ask(stack, { ...usdc, destination: blocked, amount: '20' });
  await kit.ended(pipeline, [alone], 'failed');
  assert.equal(await kit.tokensOf('USDC', good), 30n * UNIT);
  assert.equal(await kit.tokensOf('USDC', blocked), 0n);
  assert.equal(await available(stack, bob, 'USDC'), before - 30n * UNIT - FEE);
  await booksAreTheChain('USDC');
});

test('USDC paused: nothing is planned or signed into failure; it says why, and is paid when USDC goes on', async () => {
  const to = [kit.recipient(), kit.recipient()];
  const asked = await ask(stack, { ...usdc, destination: to[0]!, amount: '10' });
  await until('asked', async () => (await stateOf(stack, asked)) === 'signing', unsigned.step);
  await usdcCall('pause');
  const later = await ask(stack, { ...usdc, destination: to[1]!, amount: '10' });
  await isWaiting(asked, 'signing');
  await isWaiting(later, 'approved');
  assert.ok((await kit.reasons(later)).includes('TOKEN_REFUSES'));
  await settleDown(pipeline);
  assert.equal((await kit.attemptsOf(asked))[0]!.raw, null, 'not even signed');
  await usdcCall('unpause');
  await kit.ended(pipeline, [asked, later], 'settled');
  for (const who of to) assert.equal(await kit.tokensOf('USDC', who), 10n * UNIT);
  await booksAreTheChain('USDC');
});

test('USDC blocks the vault: it waits, and is paid when that is over', async () => {
  const to = kit.recipient();
  await usdcBlock('blacklist', kit.vault);
  const id = await ask(stack, { ...usdc, destination: to, amount: '10' });
  await isWaiting(id, 'approved');
  await usdcBlock('unBlacklist', kit.vault);
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await kit.tokensOf('USDC', to), 10n * UNIT);
  await booksAreTheChain('USDC');
});
