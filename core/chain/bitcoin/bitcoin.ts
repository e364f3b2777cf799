import type { BitcoinNetwork } from '../../config/config.ts';
import { followChain, type FollowLoop } from '../chain.ts';
import { openBitcoinFollower, type BitcoinFollower } from './follow-bitcoin.ts';
import type { BitcoinRpc } from './rpc.ts';
import { bitcoinSource } from './source.ts';

export { bitcoinRpc, parseNodeJson, type BitcoinRpc, type BitcoinRpcOptions } from './rpc.ts';

export interface BitcoinWatcher extends Pick<
  FollowLoop<Buffer>,
  'db' | 'now' | 'sleep' | 'signal' | 'log' | 'startHeight'
> {
  readonly network: BitcoinNetwork;
  readonly rpc: BitcoinRpc;
  /** Secret: 16 random bytes that key the tables in memory. */
  readonly seed: Uint8Array;
}

/**
 * Follows a Bitcoin network until the signal aborts: blocks, reorgs and the mempool become receipts, coins and
 * spends. One process at a time for each network. Rejects when the database is lost.
 */
export async function startBitcoinWatcher(watcher: BitcoinWatcher): Promise<void> {
  const { db, network, rpc, now, seed, log } = watcher;
  const follower: BitcoinFollower = await openBitcoinFollower({ db, network, rpc, now, seed });
  log.info({ network: network.id, ...follower.sizes() }, 'loaded');
  await followChain({
    ...watcher,
    source: bitcoinSource(rpc, network),
    handler: follower.handler,
    pollMs: network.pollMs,
    onCaughtUp: follower.pollMempool,
  });
}
