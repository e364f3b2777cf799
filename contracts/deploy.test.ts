// Proves, on real nodes with real Safes and the real timelock: the same addresses on two networks, a second
// deployment refused before anything is sent, who reopens and who admits, payment by signatures made outside the
// vault's code, and that a deposit address given out under an old vault delivers to the new one.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { assert as assertProperty, property, uint8Array } from 'fast-check';
import type { Address, Hex } from 'viem';
import { encodeFunctionData, getContractAddress, numberToHex, parseEther, zeroAddress, zeroHash } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { Anvil } from '../world/parts/anvil.ts';
import { startAnvil } from '../world/parts/anvil.ts';
import { depositFactoryAbi } from './abi/deposit-factory.ts';
import { hotVaultAbi } from './abi/hot-vault.ts';
import { testUSDCAbi } from './abi/test-usdc.ts';
import { testUSDTAbi } from './abi/test-usdt.ts';
import { timelockControllerAbi } from './abi/timelock-controller.ts';
import { vaultRegistryAbi } from './abi/vault-registry.ts';
import type { EvmSystem, EvmSystemInput } from './deploy.ts';
import { deployEvmSystem, deployHotVault, systemAddresses } from './deploy.ts';
import { signedPayCall } from './payments.ts';
import type { EvmCall, EvmClient } from './rpc.ts';
import { connectEvm, EvmFault, transact } from './rpc.ts';
import { executeSafe } from './safe.ts';

const account = (key: number) => privateKeyToAccount(numberToHex(key, { size: 32 }));
const coldOwners = [account(11), account(12), account(13)];
const operators = [account(21), account(22), account(23)];
const owners = [account(31), account(32), account(33)];
const signers = [account(41), account(42), account(43)];
const guardian = account(51);
const delaySeconds = 3600;
const tokenUnits = 1_000_000_000n;
const issue = { abi: testUSDTAbi, functionName: 'issue' } as const;
const transfer = { abi: testUSDTAbi, functionName: 'transfer' } as const;
const mint = { abi: testUSDCAbi, functionName: 'mint' } as const;

describe('a whole EVM system', { concurrency: false }, () => {
  const nodes: Anvil[] = [];
  let client: EvmClient;
  let system: EvmSystem;
  let input: EvmSystemInput;
  let payer: ReturnType<typeof account>;

  before(async () => {
    // The second network's deployer has another nonce and other peers: only the initializer is the same.
    nodes.push(await startAnvil({ chainId: 31337 }), await startAnvil({ chainId: 31338 }));
    const [node] = nodes;
    input = systemInput(node!);
    system = await deployEvmSystem(input);
    client = await connectEvm(node!.url, node!.chainId);
    payer = privateKeyToAccount(input.deployerKey);
    await send({ to: system.vault, valueWei: parseEther('10') });
    const { USDT, USDC } = system.tokens;
    await send({ to: USDT, data: encodeFunctionData({ ...issue, args: [tokenUnits] }) });
    await send({ to: USDT, data: encodeFunctionData({ ...transfer, args: [system.vault, tokenUnits] }) });
    await send({ to: USDC, data: encodeFunctionData({ ...mint, args: [system.vault, tokenUnits] }) });
  });
  after(() => Promise.all(nodes.map((node) => node.stop())));

  const send = (call: EvmCall) => transact(client, payer, call);
  const asGuardian = async (call: EvmCall) => {
    await send({ to: guardian.address, valueWei: parseEther('0.1') });
    return transact(client, guardian, call);
  };
  const asOperators = (to: Address, data: Hex) =>
    executeSafe(client, { safe: system.operators, to, data, owners: operators.slice(0, 2), payer });
  const tokenBalance = (token: Address, holder: Address) =>
    client.readContract({ address: token, abi: testUSDCAbi, functionName: 'balanceOf', args: [holder] });
  const destination = () =>
    client.readContract({ address: system.registry, abi: vaultRegistryAbi, functionName: 'destination' });

  test('stands at the same addresses on two networks', async () => {
    const second = nodes[1]!;
    const client2 = await connectEvm(second.url, second.chainId);
    const deployer2 = second.accounts[3]!;
    await transact(client2, privateKeyToAccount(deployer2.privateKey), { to: payer.address, valueWei: 1n });
    const other = await deployEvmSystem({ ...systemInput(second), deployerKey: deployer2.privateKey });
    assert.equal(other.registry, system.registry);
    assert.equal(other.factory, system.factory);
    assert.equal(other.initCodeHash, system.initCodeHash);
    assert.notEqual(other.vault, system.vault);
    assert.equal(other.codeHashes.factory, system.codeHashes.factory);
    const hash = await client.readContract({
      address: system.factory,
      abi: depositFactoryAbi,
      functionName: 'INIT_CODE_HASH',
    });
    assert.equal(hash, system.initCodeHash);
  });

  test('refuses a second deployment before anything is sent', async () => {
    const nonce = await client.getTransactionCount({ address: payer.address });
    await assert.rejects(deployEvmSystem(input), { code: 'EVM_SYSTEM_ALREADY_DEPLOYED' });
    assert.equal(await client.getTransactionCount({ address: payer.address }), nonce);
  });

  test('refuses a node of another network', async () => {
    await assert.rejects(deployEvmSystem({ ...input, chainId: 1 }), { code: 'EVM_CHAIN_ID_MISMATCH' });
  });

  test('other initializers have other addresses', () => {
    assertProperty(
      property(uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
        const other: Address = `0x${Buffer.from(bytes).toString('hex')}`;
        const found = systemAddresses(other);
        assert.notEqual(found.registry, system.registry);
        assert.notEqual(found.factory, system.factory);
      }),
      { numRuns: 20 },
    );
  });

  test('pays what two signers sign by EIP-712, once', async () => {
    const to = account(91).address;
    const { timestamp } = await client.getBlock();
    const batch = {
      chainId: system.chainId,
      vault: system.vault,
      token: zeroAddress,
      deadline: timestamp + 600n,
      generation: 1n,
      payments: [{ id: 7n, to, amountUnits: parseEther('1') }],
    };
    const data = await signedPayCall(batch, [signers[2]!, signers[0]!]);
    await send({ to: system.vault, data });
    assert.equal(await client.getBalance({ address: to }), parseEther('1'));
    await assert.rejects(send({ to: system.vault, data, gasMax: 500_000n }), EvmFault);
    assert.equal(await client.getBalance({ address: to }), parseEther('1'));
    for (const chainId of [1, 31338]) {
      const foreign = await signedPayCall(
        { ...batch, chainId, payments: [{ ...batch.payments[0]!, id: 8n }] },
        signers.slice(0, 2),
      );
      await assert.rejects(send({ to: system.vault, data: foreign, gasMax: 500_000n }), EvmFault);
    }
  });

  test('a guardian evacuates to the COLD Safe, OPERATORS reopen without delay', async () => {
    const before = await client.getBalance({ address: system.vault });
    const tokens = [zeroAddress, system.tokens.USDT, system.tokens.USDC];
    const evacuate = encodeFunctionData({ abi: hotVaultAbi, functionName: 'evacuate', args: [tokens] });
    await asGuardian({ to: system.vault, data: evacuate });
    assert.equal(await client.getBalance({ address: system.cold }), before);
    for (const token of [system.tokens.USDT, system.tokens.USDC]) {
      assert.equal(await tokenBalance(token, system.cold), tokenUnits);
      assert.equal(await tokenBalance(token, system.vault), 0n);
    }
    const unpause = encodeFunctionData({ abi: hotVaultAbi, functionName: 'unpause' });
    await assert.rejects(asGuardian({ to: system.vault, data: unpause, gasMax: 300_000n }), EvmFault);
    await asOperators(system.vault, unpause);
    const paused = { address: system.vault, abi: hotVaultAbi, functionName: 'paused' } as const;
    assert.equal(await client.readContract(paused), false);
    const back = { safe: system.cold, to: system.vault, data: '0x', valueWei: before } as const;
    await assert.rejects(executeSafe(client, { ...back, owners: coldOwners.slice(0, 1), payer }), {
      code: 'EVM_SAFE_SIGNERS_TOO_FEW',
    });
    await assert.rejects(executeSafe(client, { ...back, owners: operators.slice(0, 2), payer }));
    await executeSafe(client, { ...back, owners: coldOwners.slice(0, 2), payer });
    assert.equal(await client.getBalance({ address: system.vault }), before);
  });

  test('an address given out long ago delivers to COLD, then to a vault admitted after the delay', async () => {
    const salt = numberToHex(99, { size: 32 });
    const deposit = getContractAddress({
      opcode: 'CREATE2',
      from: system.factory,
      salt,
      bytecodeHash: system.initCodeHash,
    });
    const flush = encodeFunctionData({ abi: depositFactoryAbi, functionName: 'flush', args: [[salt], []] });
    await asGuardian({
      to: system.registry,
      data: encodeFunctionData({ abi: vaultRegistryAbi, functionName: 'failover' }),
    });
    await send({ to: deposit, valueWei: 5n });
    await send({ to: system.factory, data: flush });
    assert.equal(await client.getBalance({ address: system.cold }), 5n);

    const members = { signers: signers.map(({ address }) => address), threshold: 2, guardians: [] };
    const next = await deployHotVault(client, payer, { ...system, ...members, caps: [] });
    const move = (to: Address) =>
      encodeFunctionData({ abi: vaultRegistryAbi, functionName: 'setDestination', args: [to] });
    await assert.rejects(asOperators(system.registry, move(next)), 'not admitted yet');
    await admitByTimelock(next);
    await asOperators(system.registry, move(next));
    assert.equal(await destination(), next);
    await send({ to: deposit, valueWei: 7n });
    await send({ to: system.factory, data: flush });
    assert.equal(await client.getBalance({ address: next }), 7n);
    await asOperators(system.registry, move(system.vault));
    assert.equal(await destination(), system.vault);

    const persist = { abi: depositFactoryAbi, functionName: 'makePersistent', args: [[salt]] } as const;
    await asOperators(system.factory, encodeFunctionData(persist));
    assert.notEqual(await client.getCode({ address: deposit }), undefined);
    const before = await client.getBalance({ address: system.vault });
    for (const round of [1n, 2n]) {
      await send({ to: deposit, valueWei: 11n });
      await send({ to: system.factory, data: flush });
      assert.equal(await client.getBalance({ address: system.vault }), before + 11n * round);
    }
  });

  async function admitByTimelock(vault: Address): Promise<void> {
    const admit = encodeFunctionData({ abi: vaultRegistryAbi, functionName: 'admit', args: [vault] });
    const call = [system.registry, 0n, admit, zeroHash, zeroHash] as const;
    const schedule = encodeFunctionData({
      abi: timelockControllerAbi,
      functionName: 'schedule',
      args: [...call, BigInt(delaySeconds)],
    });
    const execute = encodeFunctionData({
      abi: timelockControllerAbi,
      functionName: 'execute',
      args: call,
    });
    await assert.rejects(send({ to: system.owner, data: schedule, gasMax: 300_000n }), EvmFault);
    await executeSafe(client, {
      safe: system.ownerSafe,
      to: system.owner,
      data: schedule,
      owners: owners.slice(1),
      payer,
    });
    await assert.rejects(send({ to: system.owner, data: execute, gasMax: 300_000n }), EvmFault, 'too early');
    await nodes[0]!.rpc('evm_increaseTime', delaySeconds + 1);
    await nodes[0]!.mine(1);
    await send({ to: system.owner, data: execute });
  }
});

function systemInput(node: Anvil): EvmSystemInput {
  const safe = (members: typeof owners) => ({ owners: members.map(({ address }) => address), threshold: 2 });
  const [deployer] = node.accounts;
  return {
    rpcUrl: node.url,
    chainId: node.chainId,
    deployerKey: deployer!.privateKey,
    initializerKey: numberToHex(61, { size: 32 }),
    safes: { cold: safe(coldOwners), operators: safe(operators), owner: safe(owners) },
    signers: signers.map(({ address }) => address),
    threshold: 2,
    guardians: [guardian.address],
    capUnits: { ETH: parseEther('5'), USDT: 5_000_000_000n, USDC: 5_000_000_000n },
    timelockDelaySeconds: delaySeconds,
    tokens: 'deploy-test-tokens',
  };
}
