import { watchAddresses } from '../chain/chain.ts';
import { balancesAt, feeMarketOf, parseEvmAddress, relayerToWatch, type EvmRpc } from '../chain/evm/evm.ts';
import type { Config, EvmNetwork } from '../config/config.ts';
import { commitTo, type Commit, type Database } from '../db/db.ts';
import type { OpeningBalance } from './opening.ts';

/** An EVM network's node, and the account that pays for gas there. */
export interface TreasuryLane {
  readonly rpc: EvmRpc;
  /** Canonical form. */
  readonly relayer: string;
}

/** What runTreasury asks of the nodes: spread it into its dependencies. Throws ChainError when a node does not answer. */
export function treasurySources(laneOf: (network: EvmNetwork) => TreasuryLane) {
  return {
    async feePerGasWei(network: EvmNetwork): Promise<bigint> {
      const { baseFeePerGas, priorityFeePerGas } = await feeMarketOf(laneOf(network).rpc);
      return baseFeePerGas + priorityFeePerGas;
    },
    async openingBalances(network: EvmNetwork, blockHash: string): Promise<OpeningBalance[]> {
      const { rpc, relayer } = laneOf(network);
      const places = [
        { place: 'gas', address: relayer },
        { place: 'hot', address: canonicalOf(network.vault) },
        { place: 'cold', address: canonicalOf(network.cold) },
      ] as const;
      const contracts = network.listings.map((listing) => (listing.contract ?? '').toLowerCase());
      const addresses = places.map(({ address }) => address);
      const balances = await balancesAt(rpc, { addresses, contracts }, blockHash);
      return balances.flatMap((balance) => {
        const place = places.find(({ address }) => address === balance.address);
        return place ? [{ ...balance, place: place.place }] : [];
      });
    },
  };
}

/**
 * Has every EVM network's relayer followed, so that whoever pays in gas is seen. The watcher registers vault, cold
 * and factory itself; only the holder of its key knows the relayer's address. Run it when the pipeline starts.
 */
export async function watchRelayers(
  deps: { readonly db: Database; readonly commit?: Commit; readonly config: Config },
  laneOf: (network: EvmNetwork) => Pick<TreasuryLane, 'relayer'>,
): Promise<void> {
  const evm = deps.config.networks.filter((network) => network.kind === 'evm');
  const relayers = evm.map((network) => relayerToWatch(network, laneOf(network).relayer));
  const commit = deps.commit ?? commitTo(deps.db);
  await commit('treasury.watch', (trx) => watchAddresses(trx, relayers));
}

function canonicalOf(address: string): string {
  const parsed = parseEvmAddress(address.toLowerCase());
  return parsed.ok ? parsed.address : address;
}
