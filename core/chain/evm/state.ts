import { decodeFunctionResult, encodeFunctionData, erc20Abi, type Address, type Hex } from 'viem';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import { ChainError } from '../faults.ts';
import { tokenOf } from './pay-call.ts';
import { readBytes, readQuantity } from './read.ts';
import type { EvmRpc, RpcCall } from './rpc.ts';

/** What an address held at a block. Contract in lower case, '' for the network's own coin. */
export interface Balance {
  readonly address: string;
  readonly contract: string;
  readonly units: bigint;
}

type At = 'latest' | { readonly blockHash: string };

/**
 * Balances of all these addresses in all these contracts ('' among them for the coin) at one block, in that order.
 * A contract that answers nothing has none of it.
 */
export async function balancesAt(
  rpc: EvmRpc,
  { addresses, contracts }: { readonly addresses: readonly string[]; readonly contracts: readonly string[] },
  blockHash: string,
): Promise<Balance[]> {
  const wanted = addresses.flatMap((address) =>
    contracts.map((contract) => ({ address, contract: contract.toLowerCase() })),
  );
  const answers = await rpc.batch(wanted.map((entry) => balanceCall(entry, { blockHash })));
  return wanted.map((entry, index) => ({ ...entry, units: balanceIn(answers[index]) }));
}

/** Coins at addresses at a block: finds what no transaction carried (rewards, withdrawals of validators). */
export async function nativeBalances(
  rpc: EvmRpc,
  addresses: readonly string[],
  blockHash: string,
): Promise<Map<string, bigint>> {
  const balances = await balancesAt(rpc, { addresses, contracts: [''] }, blockHash);
  return new Map(balances.map(({ address, units }) => [address, units]));
}

/** What vault and deposit addresses hold of one asset. */
export interface VaultBalance {
  readonly contract: string;
  readonly vaultUnits: bigint;
  readonly depositUnits: bigint;
}

export async function vaultBalances(
  rpc: EvmRpc,
  places: {
    readonly vault: string;
    readonly deposits: readonly string[];
    readonly contracts: readonly string[];
  },
  blockHash: string,
): Promise<VaultBalance[]> {
  const addresses = [places.vault, ...places.deposits];
  const balances = await balancesAt(rpc, { addresses, contracts: places.contracts }, blockHash);
  return places.contracts.map((name) => {
    const contract = name.toLowerCase();
    const of = balances.filter((balance) => balance.contract === contract);
    const [vault, ...deposits] = of;
    return {
      contract,
      vaultUnits: vault?.units ?? 0n,
      depositUnits: deposits.reduce((sum, balance) => sum + balance.units, 0n),
    };
  });
}

/** What the relayer can spend on gas, in wei. */
export async function gasBalance(rpc: EvmRpc, relayer: string): Promise<bigint> {
  return readQuantity(await rpc.call('eth_getBalance', [relayer, 'latest']), 'eth_getBalance');
}

/** What a payment in an asset needs to know of the vault, all of one answer and of the latest block. */
export interface VaultState {
  readonly paused: boolean;
  readonly generation: bigint;
  readonly threshold: number;
  readonly balanceUnits: bigint;
  /** What may still be paid at this moment. */
  readonly capLeftUnits: bigint;
}

export async function vaultState(
  rpc: EvmRpc,
  { vault, contract }: { readonly vault: string; readonly contract: string },
): Promise<VaultState> {
  const to = vault as Address;
  const [paused, generation, threshold, limit, balance] = await rpc.batch([
    ethCall(to, encodeFunctionData({ abi: hotVaultAbi, functionName: 'paused' })),
    ethCall(to, encodeFunctionData({ abi: hotVaultAbi, functionName: 'generation' })),
    ethCall(to, encodeFunctionData({ abi: hotVaultAbi, functionName: 'threshold' })),
    ethCall(to, encodeFunctionData({ abi: hotVaultAbi, functionName: 'limitOf', args: [tokenOf(contract)] })),
    balanceCall({ address: vault, contract }, 'latest'),
  ]);
  const [cap, spent] = decode('limitOf', limit) as readonly [bigint, bigint];
  return {
    paused: decode('paused', paused) as boolean,
    generation: decode('generation', generation) as bigint,
    threshold: Number(decode('threshold', threshold)),
    balanceUnits: balanceIn(balance),
    capLeftUnits: cap > spent ? cap - spent : 0n,
  };
}

/** Part of what signers sign: signatures of an earlier generation are dead. */
export async function vaultGeneration(rpc: EvmRpc, vault: string): Promise<bigint> {
  const data = encodeFunctionData({ abi: hotVaultAbi, functionName: 'generation' });
  const { method, params } = ethCall(vault as Address, data);
  return decode('generation', await rpc.call(method, params)) as bigint;
}

function decode(functionName: 'paused' | 'generation' | 'threshold' | 'limitOf', answer: unknown): unknown {
  if (answer instanceof ChainError) throw answer;
  try {
    return decodeFunctionResult({ abi: hotVaultAbi, functionName, data: readBytes(answer, functionName) });
  } catch (cause) {
    if (cause instanceof ChainError) throw cause;
    throw new ChainError('NODE_GARBAGE', `no vault answers ${functionName}`, { cause });
  }
}

function balanceCall({ address, contract }: { address: string; contract: string }, at: At): RpcCall {
  if (contract === '') return { method: 'eth_getBalance', params: [address, at] };
  const data = encodeFunctionData({ abi: erc20Abi, functionName: 'balanceOf', args: [address as Address] });
  return ethCall(contract as Address, data, at);
}

function ethCall(to: Address, data: Hex, at: At = 'latest'): RpcCall {
  return { method: 'eth_call', params: [{ to, data }, at] };
}

function balanceIn(answer: unknown): bigint {
  if (answer instanceof ChainError) throw answer;
  return answer === '0x' ? 0n : readQuantity(answer, 'balance');
}
