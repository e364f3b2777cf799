import type { Config, Listing } from '../config/config.ts';
import { parseId, type Id } from '../../lib/ids/ids.ts';
import { findCustomer, type CustomerRow } from '../customers/customers.ts';
import type { Database } from '../db/db.ts';
import { Problem } from './problems.ts';

type Network = Config['networks'][number];

/** By id or CAIP-2. Throws UNKNOWN_NETWORK. */
export function networkBy(config: Config, text: string): Network {
  const network = config.networks.find((candidate) => candidate.id === text || candidate.caip2 === text);
  if (!network)
    throw new Problem(
      'UNKNOWN_NETWORK',
      `No network ${text}: there are ${config.networks.map((n) => n.id).join(', ')}`,
    );
  return network;
}

/** An asset on a network, by ticker or CAIP-19. Throws UNKNOWN_NETWORK or UNKNOWN_ASSET. */
export function listingBy(
  deps: { config: Config; listings: readonly Listing[] },
  asset: string,
  networkText: string,
): Listing {
  const network = networkBy(deps.config, networkText);
  const here = deps.listings.filter((listing) => listing.network.id === network.id);
  const listing = here.find((candidate) => candidate.asset.id === asset || candidate.assetId === asset);
  if (!listing) {
    throw new Problem(
      'UNKNOWN_ASSET',
      `No ${asset} on ${network.id}: there are ${here.map((l) => l.asset.id).join(', ')}`,
    );
  }
  return listing;
}

/** An asset by ticker, or by the CAIP-19 of any of its listings. Throws UNKNOWN_ASSET. */
export function assetBy(
  deps: { config: Config; listings: readonly Listing[] },
  text: string,
): Config['assets'][number] {
  const asset =
    deps.config.assets.find((candidate) => candidate.id === text) ??
    deps.listings.find((listing) => listing.assetId === text)?.asset;
  if (!asset)
    throw new Problem(
      'UNKNOWN_ASSET',
      `No asset ${text}: there are ${deps.config.assets.map((a) => a.id).join(', ')}`,
    );
  return asset;
}

/** The customer with this id. Throws UNKNOWN_CUSTOMER. */
export async function customerIn(
  deps: { db: Database },
  text: string,
): Promise<CustomerRow & { id: Id<'customer'> }> {
  const id = parseId('customer', text);
  const row = id === undefined ? undefined : await findCustomer(deps.db, id);
  if (!row || id === undefined) throw new Problem('UNKNOWN_CUSTOMER', `No customer ${text}`);
  return { ...row, id };
}
