import { decodeFunctionResult, encodeFunctionData, type Address } from 'viem';
import { hotVaultAbi } from '../../../contracts/abi/hot-vault.ts';
import type { EvmNetwork } from '../../config/config.ts';
import { executorOf, type Database } from '../../db/db.ts';
import { ChainError } from '../faults.ts';
import { readBytes } from './read.ts';
import { irreversibleDepth } from './relay.ts';
import type { EvmRpc } from './rpc.ts';

/** What of orders that no signer will sign again. */
export interface SignedOrders {
  readonly vault: string;
  readonly orderNumbers: readonly bigint[];
  /** Unix seconds: the latest that signers were ever asked to sign for any of them. */
  readonly deadline: bigint;
}

/**
 * Whether signatures that may exist can still pay orders. `never`: an irreversible block is later than every
 * deadline, so no later block takes them, and at that block the vault has used none of their numbers. `used`: it
 * has, whatever we saw. Throws ChainError for trouble with the node.
 */
export async function payability(
  { db, rpc, network }: { readonly db: Database; readonly rpc: EvmRpc; readonly network: EvmNetwork },
  { vault, orderNumbers, deadline }: SignedOrders,
): Promise<'possible' | 'never' | 'used'> {
  const [block] = await executorOf(db).query<{ hash: string; mined_at: Date }>(
    `select b.hash, b.mined_at from chain_block b join chain_tip t on t.network = b.network
     where b.network = $1 and b.canonical and b.height = t.height - $2 + 1`,
    [network.id, irreversibleDepth(network)],
  );
  if (!block || BigInt(Math.floor(block.mined_at.getTime() / 1000)) <= deadline) return 'possible';
  const calls = orderNumbers.map((number) => ({
    method: 'eth_call',
    params: [
      {
        to: vault as Address,
        data: encodeFunctionData({ abi: hotVaultAbi, functionName: 'isUsed', args: [number] }),
      },
      { blockHash: block.hash },
    ],
  }));
  const used = (await rpc.batch(calls)).map((answer) => {
    if (answer instanceof ChainError) throw answer;
    return decodeFunctionResult({
      abi: hotVaultAbi,
      functionName: 'isUsed',
      data: readBytes(answer, 'isUsed'),
    });
  });
  return used.includes(true) ? 'used' : 'never';
}
