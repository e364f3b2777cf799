import type { BitcoinNetwork } from '../../config/config.ts';
import { commitTo } from '../../db/db.ts';
import { followChain, type FollowLoop } from '../chain.ts';
import { openColdWallet, watchCold } from './cold.ts';
import { nativeCurveMissing } from './curve.ts';
import { openBitcoinFollower } from './follow-bitcoin.ts';
import type { BitcoinRpc } from './rpc.ts';
import { bitcoinSource } from './source.ts';

export {
  parseBitcoinAddress,
  type BitcoinAddressRefusal,
  type BitcoinChain,
  type ParsedBitcoinAddress,
} from './address.ts';
export {
  broadcast,
  estimateFeeRate,
  mempoolFees,
  type Broadcast,
  type BroadcastRefusal,
  type FeeRate,
} from './broadcast.ts';
export {
  buildPayPsbt,
  planOf,
  type BuiltPsbt,
  type PayOptions,
  type PsbtPlan,
  type StoredRequest,
} from './build-psbt.ts';
export { checkAnswer, combineAndFinalize, type CheckedAnswer, type Combined } from './combine.ts';
export {
  buildChildPaysForParent,
  buildReplacement,
  type ChildResult,
  type ReplaceRefusal,
  type ReplaceResult,
} from './replace.ts';
export {
  selectCoins,
  type Coin,
  type Selected,
  type Selection,
  type SelectionRefusal,
  type SelectionResult,
} from './select-coins.ts';
export { dustLimitOf, feeFor, inputFormOf } from './transaction.ts';
export { previousTransactions, scanWallet, spendableCoins, type WalletScan } from './wallet-coins.ts';
export { openColdWallet } from './cold.ts';
export { nativeCurveMissing } from './curve.ts';
export {
  AddressIndexError,
  deriveChecked,
  deriveScript,
  openWallet,
  WalletError,
  type BitcoinWallet,
  type Branch,
  type DerivedScript,
} from './derive.ts';
export { descriptorChecksum, descriptorOf } from './descriptor.ts';
export { bitcoinRpc, parseNodeJson, type BitcoinRpc, type BitcoinRpcOptions } from './rpc.ts';
export { walletOf } from './wallet-of.ts';

export interface BitcoinWatcher extends Pick<
  FollowLoop<Buffer>,
  'db' | 'commit' | 'now' | 'sleep' | 'signal' | 'log' | 'startHeight'
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
  const { db, commit = commitTo(watcher.db), network, rpc, now, seed, log } = watcher;
  if (nativeCurveMissing !== undefined) log.warn({ network: network.id }, nativeCurveMissing);
  const cold = network.coldDescriptor && openColdWallet(network.coldDescriptor, network.chain);
  const watchMore = async (): Promise<void> => {
    if (cold) await watchCold({ db, commit }, network.id, cold);
  };
  await watchMore();
  const follower = await openBitcoinFollower({ db, commit, network, rpc, now, seed });
  log.info({ network: network.id, ...follower.sizes() }, 'loaded');
  await followChain({
    ...watcher,
    source: bitcoinSource(rpc, network),
    handler: follower.handler,
    pollMs: network.pollMs,
    onCaughtUp: async () => {
      await watchMore();
      await follower.pollMempool();
    },
  });
}
