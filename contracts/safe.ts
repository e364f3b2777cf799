// Safe multisigs: COLD, OPERATORS and the proposer of OWNER. Deploys them and executes what a quorum of their
// owners signs.

import type { Address, Hex, TransactionReceipt } from 'viem';
import { concatHex, encodeFunctionData, hashTypedData, zeroAddress } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';
import { compatibilityFallbackHandlerBytecode } from './abi/compatibility-fallback-handler.ts';
import { safeProxyFactoryAbi, safeProxyFactoryBytecode } from './abi/safe-proxy-factory.ts';
import { safeAbi, safeBytecode } from './abi/safe.ts';
import { deployCreate2 } from './create2.ts';
import type { EvmClient } from './rpc.ts';
import { EvmFault, transact } from './rpc.ts';

export interface SafeOwners {
  readonly owners: readonly Address[];
  readonly threshold: number;
}

export interface SafeCall {
  readonly safe: Address;
  readonly to: Address;
  readonly data: Hex;
  readonly valueWei?: bigint;
}

/** Domain separators for the salts of different Safes of the same owners. */
export type SafePurpose = 'cold' | 'operators' | 'owner';

const saltNonces: Readonly<Record<SafePurpose, bigint>> = { cold: 1n, operators: 2n, owner: 3n };

/** Puts the Safe code that every Safe shares on the network, where it is not there yet. */
export async function deploySafeCode(
  client: EvmClient,
  payer: PrivateKeyAccount,
): Promise<{
  readonly singleton: Address;
  readonly proxyFactory: Address;
  readonly fallbackHandler: Address;
}> {
  const singleton = await deployCreate2(client, payer, safeBytecode);
  const proxyFactory = await deployCreate2(client, payer, safeProxyFactoryBytecode);
  const fallbackHandler = await deployCreate2(client, payer, compatibilityFallbackHandlerBytecode);
  return { singleton, proxyFactory, fallbackHandler };
}

/** A new Safe of these owners; anybody may pay for it. Its address is in the factory's answer. */
export async function deploySafe(
  client: EvmClient,
  payer: PrivateKeyAccount,
  input: SafeOwners & { readonly purpose: SafePurpose },
): Promise<Address> {
  const { singleton, proxyFactory, fallbackHandler } = await deploySafeCode(client, payer);
  const setup = encodeFunctionData({
    abi: safeAbi,
    functionName: 'setup',
    args: [
      [...input.owners],
      BigInt(input.threshold),
      zeroAddress,
      '0x',
      fallbackHandler,
      zeroAddress,
      0n,
      zeroAddress,
    ],
  });
  const call = {
    abi: safeProxyFactoryAbi,
    functionName: 'createProxyWithNonce',
    args: [singleton, setup, saltNonces[input.purpose]],
  } as const;
  const { result } = await client.simulateContract({
    ...call,
    address: proxyFactory,
    account: payer.address,
  });
  await transact(client, payer, { to: proxyFactory, data: encodeFunctionData(call) });
  return result;
}

/**
 * Executes one call of a Safe. `owners` sign its hash, which is computed here and not asked of a node, which
 * could name another call's; anybody pays.
 * Throws EVM_SAFE_SIGNERS_TOO_FEW below its threshold, EVM_TRANSACTION_REVERTED when the call fails.
 */
export async function executeSafe(
  client: EvmClient,
  input: SafeCall & { readonly owners: readonly PrivateKeyAccount[]; readonly payer: PrivateKeyAccount },
): Promise<TransactionReceipt> {
  const contract = { address: input.safe, abi: safeAbi } as const;
  const threshold = await client.readContract({ ...contract, functionName: 'getThreshold' });
  if (BigInt(input.owners.length) < threshold) {
    throw new EvmFault('EVM_SAFE_SIGNERS_TOO_FEW', `${input.owners.length} of ${threshold}`);
  }
  const nonce = await client.readContract({ ...contract, functionName: 'nonce' });
  const value = input.valueWei ?? 0n;
  // No gas refund and safeTxGas 0: a call that fails reverts the whole transaction.
  const fields = [input.to, value, input.data, 0, 0n, 0n, 0n, zeroAddress, zeroAddress] as const;
  const hash = hashSafeCall({ ...input, chainId: client.chain.id, nonce });
  const byAddress = [...input.owners].sort((a, b) =>
    a.address.toLowerCase() < b.address.toLowerCase() ? -1 : 1,
  );
  const signatures = await Promise.all(byAddress.map((owner) => owner.sign({ hash })));
  const data = encodeFunctionData({
    abi: safeAbi,
    functionName: 'execTransaction',
    args: [...fields, concatHex(signatures)],
  });
  return transact(client, input.payer, { to: input.safe, data });
}

/** The EIP-712 hash that owners sign: a plain call (never a delegatecall), without a gas refund. */
export function hashSafeCall(call: SafeCall & { readonly chainId: number; readonly nonce: bigint }): Hex {
  return hashTypedData({
    domain: { chainId: call.chainId, verifyingContract: call.safe },
    types: { SafeTx: safeTxFields },
    primaryType: 'SafeTx',
    message: {
      to: call.to,
      value: call.valueWei ?? 0n,
      data: call.data,
      operation: 0,
      safeTxGas: 0n,
      baseGas: 0n,
      gasPrice: 0n,
      gasToken: zeroAddress,
      refundReceiver: zeroAddress,
      nonce: call.nonce,
    },
  });
}

const safeTxFields = [
  { name: 'to', type: 'address' },
  { name: 'value', type: 'uint256' },
  { name: 'data', type: 'bytes' },
  { name: 'operation', type: 'uint8' },
  { name: 'safeTxGas', type: 'uint256' },
  { name: 'baseGas', type: 'uint256' },
  { name: 'gasPrice', type: 'uint256' },
  { name: 'gasToken', type: 'address' },
  { name: 'refundReceiver', type: 'address' },
  { name: 'nonce', type: 'uint256' },
] as const;
