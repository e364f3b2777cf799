import { watchAddresses, type WatchedPurpose } from '../chain/chain.ts';
import { parseEvmAddress } from '../chain/evm/evm.ts';
import type { Config, EvmNetwork } from '../config/config.ts';
import type { Database } from '../db/db.ts';

/**
 * Has vault, cold, factory and relayer of every EVM network followed, so that what outsiders send there is seen.
 * Whatever is watched already stays as it is. Run it before the watchers, or at the latest with the first step:
 * what arrived before is in the opening balances. `relayerOf` answers a relayer's address.
 */
export async function watchContracts(
  deps: { readonly db: Database; readonly config: Config },
  relayerOf: (network: EvmNetwork) => string,
): Promise<void> {
  for (const network of deps.config.networks) {
    if (network.kind !== 'evm') continue;
    const places: readonly (readonly [WatchedPurpose, string])[] = [
      ['vault', network.vault],
      ['cold', network.cold],
      ['factory', network.factory],
      ['relayer', relayerOf(network)],
    ];
    await deps.db.transaction().execute(async (trx) => {
      for (const [purpose, text] of places) {
        const parsed = parseEvmAddress(text);
        if (!parsed.ok) throw new Error(`${purpose} of ${network.id}: ${text}: ${parsed.reason}`);
        const { address } = parsed;
        const known = await trx
          .selectFrom('watched')
          .select('id')
          .where('network', '=', network.id)
          .where('address', '=', address)
          .executeTakeFirst();
        if (known) continue;
        await watchAddresses(trx, [{ network: network.id, address, script: null, purpose, derivation: '' }]);
      }
    });
  }
}
