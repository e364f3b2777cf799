/** Transactions to one address that wait in the node's own pool: what a filter of the node tells, each once. */
import type { Hex } from 'viem';
import type { PendingCall } from '../checks/evm-pending.ts';
import { NodeError, type Rpc } from './rpc.ts';

const AT_ONCE = 50;

/**
 * Answers what has come since it was asked last. What waited before the first call, what a contract calls, and what
 * the node never had in its pool is not among them: all of that is judged in its block.
 */
export function openPending(rpc: Rpc, to: string): () => Promise<PendingCall[]> {
  let filter: Promise<Hex> | undefined;
  const fresh = async (): Promise<Hex[]> => {
    filter ??= rpc<Hex>('eth_newPendingTransactionFilter');
    try {
      return await rpc<Hex[]>('eth_getFilterChanges', await filter);
    } catch (error) {
      // The node has forgotten the filter, was started again, or has none.
      filter = undefined;
      if (error instanceof NodeError && error.code === 'NODE_REFUSED') return [];
      throw error;
    }
  };
  return async () => {
    const hashes = await fresh();
    const calls: PendingCall[] = [];
    for (let i = 0; i < hashes.length; i += AT_ONCE) {
      const found = await Promise.all(
        hashes.slice(i, i + AT_ONCE).map(async (txHash) => ({
          txHash,
          sent: await rpc<{ to: string | null; input: Hex } | null>('eth_getTransactionByHash', txHash),
        })),
      );
      for (const { txHash, sent } of found)
        if (sent?.to?.toLowerCase() === to.toLowerCase()) calls.push({ txHash, data: sent.input });
    }
    return calls;
  };
}
