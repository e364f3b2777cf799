import type { Listing, Network } from '../config/config.ts';
import type { Sighting } from './sightings.ts';
import type { StrayReason } from './strays.ts';

/** What a payment to a watched address is. */
export type Classified =
  | { readonly kind: 'deposit'; readonly listing: Listing }
  | { readonly kind: 'stray'; readonly reason: StrayReason; readonly listing: Listing | undefined }
  | { readonly kind: 'ours' };

/**
 * Pure. Only listed assets are ever credited: an asset is a contract from the configuration, never a symbol or
 * an event. A payment to an address of our own for internal use is ours when our own transaction made it.
 */
export function classify(
  sighting: Pick<Sighting, 'purpose' | 'contract' | 'units' | 'own'>,
  { listings }: { readonly listings: readonly Listing[] },
): Classified {
  const listing = listings.find((candidate) => candidate.contract === sighting.contract);
  if (sighting.purpose !== 'deposit') {
    return sighting.own ? { kind: 'ours' } : { kind: 'stray', reason: 'INTERNAL_ADDRESS', listing };
  }
  if (!listing) return { kind: 'stray', reason: 'UNSUPPORTED_TOKEN', listing };
  if (sighting.units < listing.depositMinUnits) return { kind: 'stray', reason: 'BELOW_MINIMUM', listing };
  return { kind: 'deposit', listing };
}

/** Where the books hold what arrives at an address; undefined where we could never move it again. */
export function placeOf(
  network: Network,
  purpose: string,
  contract: string,
): 'hot' | 'unswept' | 'cold' | 'gas' | undefined {
  switch (purpose) {
    case 'deposit':
      return network.kind === 'evm' ? 'unswept' : 'hot';
    case 'change':
    case 'vault':
      return 'hot';
    case 'cold':
      return 'cold';
    case 'relayer':
      return contract === '' ? 'gas' : undefined;
    default:
      return undefined;
  }
}
