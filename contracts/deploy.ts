// Deploys a whole EVM system: COLD, OPERATORS and OWNER, the registry and the deposit factory at addresses
// that are the same on every network, and a hot vault. Also a further vault for a system that stands.

import type { Address, Hex } from 'viem';
import { encodeDeployData, encodeFunctionData, getAddress, keccak256, zeroAddress } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { privateKeyToAccount } from 'viem/accounts';
import { depositFactoryAbi, depositFactoryBytecode } from './abi/deposit-factory.ts';
import { depositBytecode } from './abi/deposit.ts';
import { hotVaultAbi, hotVaultBytecode } from './abi/hot-vault.ts';
import { testUSDCBytecode } from './abi/test-usdc.ts';
import { testUSDCProxyAbi, testUSDCProxyBytecode } from './abi/test-usdc-proxy.ts';
import { testUSDTBytecode } from './abi/test-usdt.ts';
import { timelockControllerAbi, timelockControllerBytecode } from './abi/timelock-controller.ts';
import { vaultRegistryAbi, vaultRegistryBytecode } from './abi/vault-registry.ts';
import { create2Address, deployCreate2 } from './create2.ts';
import type { EvmClient } from './rpc.ts';
import { connectEvm, EvmFault, transact } from './rpc.ts';
import type { SafeOwners } from './safe.ts';
import { deploySafe } from './safe.ts';

/** Zero means ETH. */
export interface AssetCap {
  readonly token: Address;
  /** Base units in any 24 hours, below 2^96. */
  readonly capUnits: bigint;
}

export interface VaultMembers {
  readonly signers: readonly Address[];
  /** How many signers sign a payment; at least one more must be listed. */
  readonly threshold: number;
  readonly guardians: readonly Address[];
}

export interface EvmSystemInput extends VaultMembers {
  readonly rpcUrl: string;
  readonly chainId: number;
  /** Pays for everything. */
  readonly deployerKey: Hex;
  /** Initializes the registry, once. The same key on every network gives the same addresses there. */
  readonly initializerKey: Hex;
  readonly safes: {
    readonly cold: SafeOwners;
    readonly operators: SafeOwners;
    /** Proposes to, and cancels in, the timelock that is OWNER. */
    readonly owner: SafeOwners;
  };
  /** Base units in any 24 hours. USDT and USDC are those of `testTokens` or of `tokens`. */
  readonly capUnits: { readonly ETH: bigint; readonly USDT: bigint; readonly USDC: bigint };
  readonly timelockDelaySeconds: number;
  /** Token contracts of the network, or `deploy-test-tokens` on a local one: the deployer then owns them. */
  readonly tokens: { readonly USDT: Address; readonly USDC: Address } | 'deploy-test-tokens';
}

export interface EvmSystem {
  readonly chainId: number;
  readonly registry: Address;
  readonly factory: Address;
  readonly vault: Address;
  readonly cold: Address;
  readonly operators: Address;
  /** The timelock. */
  readonly owner: Address;
  readonly ownerSafe: Address;
  readonly tokens: { readonly USDT: Address; readonly USDC: Address };
  /** keccak256 of the init code of every deposit address. */
  readonly initCodeHash: Hex;
  /** keccak256 of the code that stands at each address, for those who check that nothing was exchanged. */
  readonly codeHashes: Readonly<Record<'registry' | 'factory' | 'vault' | 'cold', Hex>>;
}

/**
 * Deploys everything to one network and wires the roles. Throws EVM_SYSTEM_ALREADY_DEPLOYED when this
 * initializer's registry stands there already, before anything is sent.
 */
export async function deployEvmSystem(input: EvmSystemInput): Promise<EvmSystem> {
  const client = await connectEvm(input.rpcUrl, input.chainId);
  const payer = privateKeyToAccount(input.deployerKey);
  const initializer = privateKeyToAccount(input.initializerKey);
  const expected = systemAddresses(initializer.address);
  if ((await client.getCode({ address: expected.registry })) !== undefined) {
    throw new EvmFault('EVM_SYSTEM_ALREADY_DEPLOYED', `a registry stands at ${expected.registry}`);
  }
  const cold = await deploySafe(client, payer, { ...input.safes.cold, purpose: 'cold' });
  const operators = await deploySafe(client, payer, { ...input.safes.operators, purpose: 'operators' });
  const ownerSafe = await deploySafe(client, payer, { ...input.safes.owner, purpose: 'owner' });
  const owner = await deployTimelock(client, payer, ownerSafe, input.timelockDelaySeconds);
  const tokens = input.tokens === 'deploy-test-tokens' ? await deployTestTokens(client, payer) : input.tokens;
  const vault = await deployHotVault(client, payer, {
    ...input,
    cold,
    owner,
    operators,
    caps: [
      { token: zeroAddress, capUnits: input.capUnits.ETH },
      { token: tokens.USDT, capUnits: input.capUnits.USDT },
      { token: tokens.USDC, capUnits: input.capUnits.USDC },
    ],
  });
  await deployCreate2(client, payer, registryInitCode(initializer.address));
  await deployCreate2(client, payer, factoryInitCode(expected.registry));
  await fundInitializer(client, payer, initializer.address);
  const guardians = [...input.signers, ...input.guardians];
  await transact(client, initializer, {
    to: expected.registry,
    data: encodeFunctionData({
      abi: vaultRegistryAbi,
      functionName: 'initialize',
      args: [cold, owner, operators, guardians, vault, [tokens.USDT, tokens.USDC]],
    }),
  });
  const codeHashes = {
    registry: await codeHash(client, expected.registry),
    factory: await codeHash(client, expected.factory),
    vault: await codeHash(client, vault),
    cold: await codeHash(client, cold),
  };
  const roles = { vault, cold, operators, owner, ownerSafe };
  return { chainId: input.chainId, ...expected, ...roles, tokens, codeHashes };
}

/** Where an initializer's registry and factory are on every network, and what deposit addresses derive from. */
export function systemAddresses(initializer: Address): {
  readonly registry: Address;
  readonly factory: Address;
  readonly initCodeHash: Hex;
} {
  const registry = create2Address(registryInitCode(initializer));
  const factory = create2Address(factoryInitCode(registry));
  return { registry, factory, initCodeHash: keccak256(depositBytecode) };
}

/** A hot vault with these roles. It receives deposits once OWNER has admitted it in the registry. */
export async function deployHotVault(
  client: EvmClient,
  payer: PrivateKeyAccount,
  input: VaultMembers & {
    readonly cold: Address;
    readonly owner: Address;
    readonly operators: Address;
    readonly caps: readonly AssetCap[];
  },
): Promise<Address> {
  const setup = {
    cold: input.cold,
    owner: input.owner,
    operators: input.operators,
    threshold: BigInt(input.threshold),
    signers: [...input.signers],
    guardians: [...input.guardians],
    caps: input.caps.map(({ token, capUnits }) => ({ token, cap: capUnits })),
  };
  const data = encodeDeployData({ abi: hotVaultAbi, bytecode: hotVaultBytecode, args: [setup] });
  return create(client, payer, data);
}

/** OWNER: only the Safe proposes and cancels, anybody executes once the delay is over. Nobody administers it. */
async function deployTimelock(
  client: EvmClient,
  payer: PrivateKeyAccount,
  proposer: Address,
  delaySeconds: number,
): Promise<Address> {
  const data = encodeDeployData({
    abi: timelockControllerAbi,
    bytecode: timelockControllerBytecode,
    args: [BigInt(delaySeconds), [proposer], [zeroAddress], zeroAddress],
  });
  return create(client, payer, data);
}

async function deployTestTokens(
  client: EvmClient,
  payer: PrivateKeyAccount,
): Promise<{ readonly USDT: Address; readonly USDC: Address }> {
  const USDT = await create(client, payer, testUSDTBytecode);
  const code = await create(client, payer, testUSDCBytecode);
  const data = encodeDeployData({
    abi: testUSDCProxyAbi,
    bytecode: testUSDCProxyBytecode,
    args: [code, payer.address, payer.address],
  });
  return { USDT, USDC: await create(client, payer, data) };
}

async function create(client: EvmClient, payer: PrivateKeyAccount, data: Hex): Promise<Address> {
  const receipt = await transact(client, payer, { data });
  if (receipt.contractAddress === null || receipt.contractAddress === undefined) {
    throw new EvmFault('EVM_TRANSACTION_REVERTED', `${receipt.transactionHash} created nothing`);
  }
  return getAddress(receipt.contractAddress);
}

/** The initializer's key is used for one transaction; on a new network it has nothing to pay with. */
async function fundInitializer(client: EvmClient, payer: PrivateKeyAccount, to: Address): Promise<void> {
  if (to === payer.address) return;
  const { maxFeePerGas } = await client.estimateFeesPerGas();
  const neededWei = maxFeePerGas * INITIALIZE_GAS_MAX;
  const balanceWei = await client.getBalance({ address: to });
  if (balanceWei < neededWei) await transact(client, payer, { to, valueWei: neededWei - balanceWei });
}

/** A guardian writes two slots, about 45,000 gas; a list holds 64 of them at most. The rest is below 0.5M. */
const INITIALIZE_GAS_MAX = 4_000_000n;

function registryInitCode(initializer: Address): Hex {
  return encodeDeployData({ abi: vaultRegistryAbi, bytecode: vaultRegistryBytecode, args: [initializer] });
}

function factoryInitCode(registry: Address): Hex {
  return encodeDeployData({ abi: depositFactoryAbi, bytecode: depositFactoryBytecode, args: [registry] });
}

async function codeHash(client: EvmClient, address: Address): Promise<Hex> {
  const code = await client.getCode({ address });
  if (code === undefined) throw new EvmFault('EVM_TRANSACTION_REVERTED', `no code at ${address}`);
  return keccak256(code);
}
