import type { EvmNetwork } from '../../config/config.ts';
import { commitTo } from '../../db/db.ts';
import { ChainError, followChain, watchAddresses, type FollowLoop, type WatchAddress } from '../chain.ts';
import { parseEvmAddress } from './address.ts';
import { checkBalances, type BalanceCheck } from './balance-check.ts';
import { openEvmFollower } from './follow-evm.ts';
import { evmRpc, type EvmRpc } from './rpc.ts';
import { evmSource, type EvmBlock } from './source.ts';

export { parseEvmAddress, type EvmAddressRefusal, type ParsedEvmAddress } from './address.ts';
export { callOutcome, dropQueuedCall, enqueueCall, type CallOutcome, type NewCall } from './calls.ts';
export { depositAddresses, depositSalt, deriveDepositAddress, type DepositFactoryCode } from './derive.ts';
export { feeMarketOf, type FeeMarket } from './fees.ts';
export { deliveriesOf, payoutsOf, type DeliveryRow, type PayoutRow } from './outcomes.ts';
export {
  encodeFlush,
  encodePay,
  flushGasLimit,
  orderSignatures,
  payDigest,
  payGasLimit,
  simulateCall,
  type OrderedSignatures,
  type PayBatch,
  type PayDomain,
  type PayOrder,
  type SimulatedCall,
  type Simulation,
} from './pay-call.ts';
export { RelayError, type RelayErrorCode } from './relay-fault.ts';
export {
  irreversibleDepth,
  relayEffects,
  runRelayLane,
  type RelayEffects,
  type RelayLane,
  type RelayNetwork,
  type RelayStep,
} from './relay.ts';
export { relayWaits, type RelayWait, type RelayWaiting } from './relay-wait.ts';
export { relayerOf, type Relayer } from './relayer.ts';
export { tokenMoves } from './token-probe.ts';
export { payability, type SignedOrders } from './unpayable.ts';
export { evmRpc, type EvmRpc, type EvmRpcOptions } from './rpc.ts';
export {
  balancesAt,
  gasBalance,
  nativeBalances,
  vaultBalances,
  vaultGeneration,
  vaultState,
  type Balance,
  type VaultBalance,
  type VaultState,
} from './state.ts';

export interface EvmWatcher extends Pick<
  FollowLoop<EvmBlock>,
  'db' | 'commit' | 'now' | 'sleep' | 'signal' | 'log' | 'startHeight'
> {
  readonly network: EvmNetwork;
  /** Default: the network's nodes. */
  readonly rpc?: EvmRpc;
}

/**
 * Follows an EVM network until the signal aborts: blocks and reorgs become receipts, payouts and deliveries. One
 * process at a time for each network. Rejects when the database is lost.
 */
export async function startEvmWatcher(watcher: EvmWatcher): Promise<void> {
  const { db, commit = commitTo(db), network, now, log } = watcher;
  const rpc = watcher.rpc ?? evmRpc({ urls: network.nodes });
  await commit('chain.watch', (trx) => watchAddresses(trx, systemAddresses(network)));
  const follower = await openEvmFollower({ db, network, now });
  log.info({ network: network.id, addresses: follower.size() }, 'loaded');
  await followChain({
    ...watcher,
    source: evmSource(rpc, network),
    handler: follower.handler,
    pollMs: network.pollMs,
    onCaughtUp: () => lookAtBalances({ db, commit, network, rpc, now }, log),
  });
}

/** A node that cannot say what addresses have is followed all the same: the next block asks again. */
async function lookAtBalances(check: BalanceCheck, log: EvmWatcher['log']): Promise<void> {
  const network = check.network.id;
  try {
    const found = await checkBalances(check);
    if (found > 0) log.warn({ network, found }, 'ether that no transaction carried');
  } catch (error) {
    if (!(error instanceof ChainError) || !error.retryable) throw error;
    log.warn({ network, code: error.code, detail: error.message }, 'balances were not told');
  }
}

/** The system's own contracts on a network: what arrives there is seen, whoever sends it. */
function systemAddresses(network: EvmNetwork): WatchAddress[] {
  const places = [
    { purpose: 'vault', address: network.vault },
    { purpose: 'cold', address: network.cold },
    { purpose: 'factory', address: network.factory },
  ] as const;
  return places.map(({ purpose, address }) => ({
    network: network.id,
    address: canonicalOf(address),
    script: null,
    purpose,
    derivation: purpose,
  }));
}

/** What watches the relayer's account, whose gas others may pay in. Whoever has its key registers it. */
export function relayerToWatch(network: { readonly id: string }, relayer: string): WatchAddress {
  return {
    network: network.id,
    address: canonicalOf(relayer),
    script: null,
    purpose: 'relayer',
    derivation: 'relayer',
  };
}

function canonicalOf(address: string): string {
  const parsed = parseEvmAddress(address.toLowerCase());
  return parsed.ok ? parsed.address : address;
}
