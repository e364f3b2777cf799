// Sends signed transactions to an EVM node and waits for each: what deployment and Safe calls need of a chain.

import type { Account, Address, Chain, Hex, PublicClient, TransactionReceipt, Transport } from 'viem';
import { createPublicClient, defineChain, http } from 'viem';
import type { PrivateKeyAccount } from 'viem/accounts';

export type EvmClient = PublicClient<Transport, Chain>;

export interface EvmCall {
  /** Absent: a contract creation. */
  readonly to?: Address;
  readonly data?: Hex;
  readonly valueWei?: bigint;
  /** Absent: the node's estimate and a fifth more. */
  readonly gasMax?: bigint;
}

export type EvmFaultCode =
  | 'EVM_CHAIN_ID_MISMATCH'
  | 'EVM_TRANSACTION_REVERTED'
  | 'EVM_CREATE2_DEPLOYER_MISSING'
  | 'EVM_SYSTEM_ALREADY_DEPLOYED'
  | 'EVM_SAFE_SIGNERS_TOO_FEW';

/** An operating fault while talking to an EVM network or to what is deployed there. */
export class EvmFault extends Error {
  readonly code: EvmFaultCode;
  readonly retryable = false;

  constructor(code: EvmFaultCode, message: string, options?: { readonly cause?: unknown }) {
    super(`${code}: ${message}`, options);
    this.code = code;
  }
}

/** A client for the node at `rpcUrl`; throws EVM_CHAIN_ID_MISMATCH when it serves another network. */
export async function connectEvm(rpcUrl: string, chainId: number): Promise<EvmClient> {
  const chain = defineChain({
    id: chainId,
    name: `eip155:${chainId}`,
    nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const client = createPublicClient({ chain, transport: http(rpcUrl), pollingInterval: 50, cacheTime: 0 });
  const found = await client.getChainId();
  if (found !== chainId)
    throw new EvmFault('EVM_CHAIN_ID_MISMATCH', `the node serves ${found}, not ${chainId}`);
  return client;
}

/** Signs here, sends the raw bytes, and waits for the receipt. Throws EVM_TRANSACTION_REVERTED. */
export async function transact(
  client: EvmClient,
  account: PrivateKeyAccount,
  call: EvmCall,
): Promise<TransactionReceipt> {
  const hash = await client.sendRawTransaction({
    serializedTransaction: await signCall(client, account, call),
  });
  const receipt = await client.waitForTransactionReceipt({ hash });
  if (receipt.status !== 'success') throw new EvmFault('EVM_TRANSACTION_REVERTED', `transaction ${hash}`);
  return receipt;
}

async function signCall(client: EvmClient, account: PrivateKeyAccount, call: EvmCall): Promise<Hex> {
  const [nonce, block, gas] = await Promise.all([
    client.getTransactionCount({ address: account.address, blockTag: 'pending' }),
    client.getBlock(),
    call.gasMax ?? estimateGas(client, account, call),
  ]);
  const tipWei = 1_000_000_000n;
  return account.signTransaction({
    type: 'eip1559',
    chainId: client.chain.id,
    nonce,
    gas,
    maxPriorityFeePerGas: tipWei,
    maxFeePerGas: (block.baseFeePerGas ?? 0n) * 2n + tipWei, // pays for six full blocks of rising fees
    value: call.valueWei ?? 0n,
    data: call.data ?? '0x',
    ...(call.to === undefined ? {} : { to: call.to }),
  });
}

async function estimateGas(client: EvmClient, account: Account, call: EvmCall): Promise<bigint> {
  const estimate = await client.estimateGas({
    account: account.address,
    value: call.valueWei ?? 0n,
    data: call.data ?? '0x',
    ...(call.to === undefined ? {} : { to: call.to }),
  });
  return (estimate * 6n) / 5n;
}
