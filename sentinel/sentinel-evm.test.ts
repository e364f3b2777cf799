// Proves on a real EVM node with real signers and contracts that whatever leaves the vault without the signers'
// journals, and every act of power over vault or token, stops payments; and that no stranger's transaction does.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import {
  encodeFunctionData,
  erc20Abi,
  pad,
  toEventSelector,
  zeroAddress,
  type Address,
  type Hex,
} from 'viem';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import { testUSDCAbi } from '../contracts/abi/test-usdc.ts';
import { testUSDCProxyAbi } from '../contracts/abi/test-usdc-proxy.ts';
import { testUSDTAbi } from '../contracts/abi/test-usdt.ts';
import { evmKit } from '../core/withdrawals/test/evm-kit.ts';
import { ETH, ask, fundEther, startStack, stateOf, until } from '../core/withdrawals/test/stack.ts';
import type { StandingFreeze } from '../signer/protocol/messages.ts';
import { liftFreezes } from '../world/operators.ts';
import { BITCOIN, freezesAt, watching } from './test/rig.ts';
import { thiefPayout } from './test/thief.ts';

const NETWORK = 'eip155:31337';
const stack = await startStack({ after }, { evm: true });
const kit = evmKit(stack);
const { anvil, vault } = kit;
const pipeline = await stack.pipeline();
const sentinel = await watching({ after }, stack);
const alice = await fundEther(stack, pipeline, 'alice', 20n * ETH);
await kit.fundToken(pipeline, 'USDT', 'bob', 900_000_000n);
const stranger = anvil.accounts[6]?.address ?? '';
const tokenOf = (asset: string): Address => stack.listing(asset, 'ethereum').contract as Address;
const assetOf = (asset: string): string => `${NETWORK}/erc20:${tokenOf(asset).toLowerCase()}`;

async function caughtUp(): Promise<void> {
  const best = await anvil.rpc<{ hash: string }>('eth_getBlockByNumber', 'latest', false);
  await until('the sentinel', async () =>
    (await sentinel.status()).networks.some(({ hash }) => hash === best.hash),
  );
}

async function quiet(): Promise<void> {
  await caughtUp();
  assert.deepEqual(
    (await sentinel.status()).freezes.filter(({ id }) => !lifted.has(id)),
    [],
  );
  assert.deepEqual(await freezesAt(stack), [[], [], []]);
}

/** The one freeze that every signer has now. */
async function frozen(what: string): Promise<StandingFreeze> {
  await until(what, async () => (await freezesAt(stack)).every((freezes) => freezes.length > 0));
  const [[freeze] = [], ...others] = await freezesAt(stack);
  assert.ok(freeze);
  for (const freezes of others) assert.deepEqual(freezes, [freeze]);
  assert.equal(freeze.by, stack.sentinel.id);
  return freeze;
}

const lifted = new Set<string>();

async function lift(): Promise<void> {
  for (const { id } of (await sentinel.status()).freezes) lifted.add(id);
  assert.equal(await liftFreezes(stack.people, stack.signers.all), 1);
  await until('nothing is asked for', async () => (await sentinel.status()).evacuate.length === 0);
}

test('a payout from the pool to its settlement is explained, and sweeps are: nothing is frozen', async () => {
  const order = { customer: alice, asset: 'ETH', network: 'ethereum' };
  const id = await ask(stack, { ...order, destination: kit.recipient(), amount: '1.5' });
  await kit.ended(pipeline, [id], 'settled');
  assert.equal(await stateOf(stack, id), 'settled');
  await quiet();
  const [report] = (await sentinel.status()).networks.filter(({ network }) => network === NETWORK);
  assert.equal(report?.holdings[`${NETWORK}/slip44:60`], (await kit.balanceOf(vault)).toString());
});

test('a stranger sends dust, transfers of nothing from the vault, calls that nobody signed, and events of a contract of theirs: nothing is frozen', async () => {
  await anvil.rpc('eth_sendTransaction', { from: stranger, to: vault, value: '0x1' });
  const args = [vault, stranger as Address, 0n] as const;
  await kit.as(
    stranger,
    tokenOf('USDC'),
    encodeFunctionData({ abi: erc20Abi, functionName: 'transferFrom', args }),
  );
  const pay = [zeroAddress, 2n ** 63n, [77n], [pad('0x01')], `0x${'5a'.repeat(130)}`] as const;
  const data = encodeFunctionData({ abi: hotVaultAbi, functionName: 'pay', args: pay });
  await anvil.rpc('eth_sendTransaction', { from: stranger, to: vault, data, gas: '0xf4240' });
  await anvil.rpc('eth_sendTransaction', { from: stranger, data: transferEventFrom(vault), gas: '0xf4240' });
  await stack.mine(2);
  await quiet();
});

test('two stolen keys used outside our software: every signer is frozen while the call waits in the pool', async (t) => {
  const txHash = await thiefPayout(stack, {
    id: 990_001n,
    token: zeroAddress,
    to: kit.recipient(),
    units: ETH,
  });
  const sent = Date.now();
  const freeze = await frozen('the freeze');
  t.diagnostic(`frozen at all signers ${Date.now() - sent} ms after the call came into the pool`);
  assert.equal(freeze.scope, NETWORK);
  assert.match(freeze.reason, new RegExp(`^UNEXPLAINED_PAYOUT: ${txHash} waits for its block`));
  const [record] = (await sentinel.status()).freezes;
  t.diagnostic(`found ${(record?.at ?? 0) - sent} ms after it`);
  t.diagnostic(`found and brought in ${record?.tookMs} ms`);
  assert.ok((record?.tookMs ?? Infinity) < 1000, `${record?.tookMs} ms`);
  const asked = (await sentinel.status()).evacuate;
  assert.deepEqual(
    asked.map(({ network }) => network),
    [BITCOIN, NETWORK],
    'the thief has the keys of Bitcoin too',
  );
  for (const { why } of asked) assert.match(why, /^UNEXPLAINED_PAYOUT: /);
  await stack.mine(2);
  await caughtUp();
  assert.equal((await sentinel.status()).freezes.length, 1, 'the same theft, mined, freezes once');
  await lift();
});

test('a theft of a token in a block, while no sentinel ran, is found by the next one', async () => {
  const pid = sentinel.process.pid();
  assert.ok(pid);
  process.kill(pid, 'SIGSTOP');
  const theft = { id: 990_002n, token: tokenOf('USDT'), to: kit.recipient(), units: 5_000_000n };
  const txHash = await thiefPayout(stack, theft);
  await stack.mine(3);
  assert.equal(await kit.tokensOf('USDT', theft.to), 5_000_000n, 'it was paid');
  process.kill(pid, 'SIGKILL');
  const freeze = await frozen('the freeze');
  assert.match(freeze.reason, new RegExp(`^UNEXPLAINED_PAYOUT: ${txHash} in block`));
  await lift();
  await quiet();
});

test('ether that leaves the vault without any event freezes', async () => {
  const held = await kit.balanceOf(vault);
  await anvil.rpc('anvil_setBalance', vault, `0x${(held - 1n).toString(16)}`);
  await stack.mine(1);
  const freeze = await frozen('the freeze');
  assert.match(freeze.reason, /^BALANCE_DROPPED: /);
  assert.equal(freeze.scope, `${NETWORK}/slip44:60`);
  await lift();
});

const acts: Record<string, { act: () => Promise<unknown>; scope: string; says: RegExp }> = {
  'the vault is paused': {
    act: async () => kit.operate(encodeFunctionData({ abi: hotVaultAbi, functionName: 'pause' })),
    scope: NETWORK,
    says: /Paused of /,
  },
  'the vault has another owner': {
    act: async () => {
      const args = [stranger as Address] as const;
      const data = encodeFunctionData({ abi: hotVaultAbi, functionName: 'setOwner', args });
      await kit.operate(data, { by: 'owner' });
    },
    scope: NETWORK,
    says: /OwnerChanged of /,
  },
  'USDC is paused': {
    act: async () => kit.ownToken('USDC', encodeFunctionData({ abi: testUSDCAbi, functionName: 'pause' })),
    scope: assetOf('USDC'),
    says: /Pause of /,
  },
  'USDC has other code': {
    act: async () => {
      const args = [tokenOf('USDT')] as const;
      const data = encodeFunctionData({ abi: testUSDCProxyAbi, functionName: 'upgradeTo', args });
      await kit.as(await adminOf(tokenOf('USDC')), tokenOf('USDC'), data);
    },
    scope: assetOf('USDC'),
    says: /Upgraded of /,
  },
  'USDT blocks the vault': {
    act: async () => {
      const [other, ours] = [stranger as Address, vault].map((account) =>
        encodeFunctionData({ abi: testUSDTAbi, functionName: 'addBlackList', args: [account] }),
      );
      await kit.ownToken('USDT', other ?? '0x');
      await quiet();
      await kit.ownToken('USDT', ours ?? '0x');
    },
    scope: assetOf('USDT'),
    says: /AddedBlackList of .* about /,
  },
};

for (const [name, { act, scope, says }] of Object.entries(acts))
  test(`${name}: frozen`, async () => {
    await act();
    await caughtUp();
    const freeze = await frozen('the freeze');
    assert.equal(freeze.scope, scope);
    assert.match(freeze.reason, /^ADMIN_EVENT: /);
    assert.match(freeze.reason, says);
    await lift();
  });

async function adminOf(proxy: Address): Promise<string> {
  // ERC-1967: keccak256('eip1967.proxy.admin') - 1.
  const slot = '0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103';
  return `0x${(await anvil.rpc<Hex>('eth_getStorageAt', proxy, slot, 'latest')).slice(26)}`;
}

/** Code that, being deployed, says with the words of a token that 2^64 units left this account. */
function transferEventFrom(from: Address): Hex {
  const topics = [pad(stranger as Address), pad(from), toEventSelector('Transfer(address,address,uint256)')];
  const pushed = topics.map((topic) => `7f${topic.slice(2)}`).join('');
  return `0x68010000000000000000600052${pushed}60206000a300`;
}
