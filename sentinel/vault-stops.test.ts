// Proves on a real EVM node with real signers that what freezes signers stops the vault contract too, by the sentinel's
// own guardian key: stolen keys are paid nothing more; one asset alone where one is frozen; its own acts freeze nothing,
// and what operators start again is not stopped again for the same freeze.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { encodeFunctionData, zeroAddress, type Address } from 'viem';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import { testUSDCAbi } from '../contracts/abi/test-usdc.ts';
import { connectEvm } from '../contracts/rpc.ts';
import { evmKit } from '../core/withdrawals/test/evm-kit.ts';
import { ETH, fundEther, startStack, until } from '../core/withdrawals/test/stack.ts';
import { liftFreezes } from '../world/operators.ts';
import { freezesAt, watching } from './test/rig.ts';
import { thiefPayout } from './test/thief.ts';

const NETWORK = 'eip155:31337';
const stack = await startStack({ after }, { evm: true });
const kit = evmKit(stack);
const { anvil, vault } = kit;
const pipeline = await stack.pipeline();
const sentinel = await watching({ after }, stack, { stopsVault: true });
await fundEther(stack, pipeline, 'alice', 20n * ETH);
await kit.fundToken(pipeline, 'USDC', 'bob', 900_000_000n);
const client = await connectEvm(anvil.url, anvil.chainId);
const usdc = stack.listing('USDC', 'ethereum').contract as Address;

const isPaused = async (): Promise<boolean> =>
  client.readContract({ address: vault, abi: hotVaultAbi, functionName: 'paused' });
const capOf = async (token: Address): Promise<bigint> =>
  (
    await client.readContract({ address: vault, abi: hotVaultAbi, functionName: 'limitOf', args: [token] })
  )[0];
const records = async () => (await sentinel.status()).freezes;

async function frozen(): Promise<void> {
  await until('the freeze at every signer', async () =>
    (await freezesAt(stack)).every((freezes) => freezes.length > 0),
  );
}

/** Blocks come until it holds. */
async function mineUntil(what: string, holds: () => Promise<boolean>): Promise<void> {
  await until(what, async () => {
    await anvil.mine(1);
    return holds();
  });
}

test('two stolen keys: the vault is paused by the sentinel, and a second theft is refused by the contract', async () => {
  const to = kit.recipient();
  await thiefPayout(stack, { id: 990_001n, token: zeroAddress, to, units: ETH });
  await frozen();
  await mineUntil('the pause', isPaused);
  const before = await kit.balanceOf(to);
  await thiefPayout(stack, { id: 990_002n, token: zeroAddress, to, units: 2n * ETH });
  await stack.mine(2);
  assert.equal(await kit.balanceOf(to), before, 'stolen keys are paid nothing by a paused vault');
  await until('its record', async () => (await records())[0]?.vaults?.[NETWORK] === 'stopped');
});

test('operators lift the freeze and start the vault again: the sentinel’s own pause is no finding, and it leaves the vault alone', async () => {
  const own = (await records()).filter(({ detail }) => detail.startsWith('Paused of'));
  assert.deepEqual(own, [], 'what it did itself');
  assert.ok((await liftFreezes(stack.people, stack.signers.all)) >= 1);
  await kit.operate(encodeFunctionData({ abi: hotVaultAbi, functionName: 'unpause' }));
  const best = async (): Promise<string> =>
    (await anvil.rpc<{ hash: string }>('eth_getBlockByNumber', 'latest', false)).hash;
  await stack.mine(3);
  const tip = await best();
  await until('the sentinel', async () =>
    (await sentinel.status()).networks.some(({ hash }) => hash === tip),
  );
  await stack.mine(3);
  assert.equal(await isPaused(), false);
});

test('one token taken over by its owner: its cap alone goes to nothing, ether is still paid', async () => {
  assert.ok((await capOf(usdc)) > 0n);
  await kit.ownToken('USDC', encodeFunctionData({ abi: testUSDCAbi, functionName: 'pause' }));
  await frozen();
  await mineUntil('the cap of USDC', async () => (await capOf(usdc)) === 0n);
  assert.ok((await capOf(zeroAddress)) > 0n);
  assert.equal(await isPaused(), false);
  await until('its record', async () => (await records()).at(-1)?.vaults?.[NETWORK] === 'stopped');
});
