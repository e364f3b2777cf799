// Proves on a real EVM node that what a vault would pay to stolen keys is its cap less what was paid, no more than it
// holds, and nothing while it is paused; and that such a figure bounds what else could cost more.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeFunctionData, numberToHex, parseEther, zeroAddress, type Address, type Hex } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { hotVaultAbi } from '../contracts/abi/hot-vault.ts';
import { deployEvmSystem } from '../contracts/deploy.ts';
import { signedPayCall } from '../contracts/payments.ts';
import { connectEvm, transact } from '../contracts/rpc.ts';
import { testAnvil } from '../world/testing.ts';
import { payableOf } from './payable.ts';

const key = (number: number): Hex => numberToHex(number, { size: 32 });
const accounts = (...numbers: number[]) => numbers.map((number) => privateKeyToAccount(key(number)));
const addresses = (...numbers: number[]) => accounts(...numbers).map(({ address }) => address);

test('cap less what was paid, what is there, nothing while paused; another chain is refused', async (t) => {
  const node = await testAnvil(t);
  const [payer] = node.accounts;
  assert.ok(payer);
  const [guardian] = accounts(51);
  assert.ok(guardian);
  const safe = (...owners: number[]) => ({ owners: addresses(...owners), threshold: 2 });
  const { vault, tokens } = await deployEvmSystem({
    rpcUrl: node.url,
    chainId: node.chainId,
    deployerKey: payer.privateKey,
    initializerKey: key(61),
    safes: { cold: safe(11, 12, 13), operators: safe(21, 22, 23), owner: safe(31, 32, 33) },
    signers: addresses(41, 42, 43),
    threshold: 2,
    guardians: [guardian.address],
    capUnits: { ETH: parseEther('5'), USDT: 5_000_000n, USDC: 5_000_000n },
    timelockDelaySeconds: 3600,
    tokens: 'deploy-test-tokens',
  });
  const client = await connectEvm(node.url, node.chainId);
  const sender = privateKeyToAccount(payer.privateKey);
  const send = async (to: Address, valueWei: bigint, data: Hex = '0x') =>
    transact(client, sender, { to, data, valueWei });
  const [ETH, USDT] = ['ETH', 'USDT'];
  const entry = {
    network: 'eip155:31337',
    chainId: BigInt(node.chainId),
    vault,
    tokens: [
      { asset: ETH, token: zeroAddress },
      { asset: USDT, token: tokens.USDT },
    ],
    deadlineMaxSeconds: 7200,
    factory: zeroAddress,
    depositInitCodeHash: new Uint8Array(32),
  };
  const payable = async (asset: string) => (await payableOf(entry, node.url)).get(asset);
  assert.equal(await payable(ETH), 0n, 'nothing is there');
  await send(vault, parseEther('2'));
  assert.equal(await payable(ETH), parseEther('2'), 'no more than is there');
  await send(vault, parseEther('8'));
  assert.equal(await payable(ETH), parseEther('5'), 'the cap');
  assert.equal(await payable(USDT), 0n, 'of another asset nothing is there');
  const generation = await client.readContract({
    address: vault,
    abi: hotVaultAbi,
    functionName: 'generation',
  });
  const payments = [{ id: 1n, to: privateKeyToAccount(key(71)).address, amountUnits: parseEther('1') }];
  const batch = { vault, token: zeroAddress, deadline: 2n ** 63n, generation, payments };
  const paying = await signedPayCall({ chainId: node.chainId, ...batch }, accounts(41, 42));
  await send(vault, 0n, paying);
  assert.equal(await payable(ETH), parseEther('4'), 'less what was paid');
  await assert.rejects(payableOf({ ...entry, chainId: 1n }, node.url), /serves 31337, not 1/);
  await send(guardian.address, parseEther('1'));
  const data = encodeFunctionData({ abi: hotVaultAbi, functionName: 'pause' });
  await transact(client, guardian, { to: vault, data });
  assert.equal(await payable(ETH), 0n, 'paused');
});
