import { parseAmount, type AmountRefusal } from '../../lib/money/money.ts';
import type { Id } from '../../lib/ids/ids.ts';
import { parseBitcoinAddress, type BitcoinAddressRefusal } from '../chain/bitcoin/bitcoin.ts';
import { parseEvmAddress, type EvmAddressRefusal } from '../chain/evm/evm.ts';
import type { Listing } from '../config/config.ts';
import { ownAmong } from '../customers/customers.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import type { AuthorizationRefusal } from './authorization.ts';
import { EVM_UNITS_MAX, isPayable } from './decide.ts';

export interface WithdrawalAsk {
  readonly customer: Id<'customer'>;
  readonly listing: Listing;
  readonly destination: string;
  /** Decimal string in units of the asset: what the recipient receives. */
  readonly amount: string;
}

export type WithdrawalRefusal =
  | AmountRefusal
  | BitcoinAddressRefusal
  | EvmAddressRefusal
  | 'OWN_ADDRESS'
  | 'TOKEN_CONTRACT_AS_DESTINATION'
  | 'BELOW_MINIMUM'
  | 'INSUFFICIENT_FUNDS'
  | 'NOT_YET_FINAL'
  | 'EXTERNAL_ID_REUSED'
  | 'QUOTE_EXPIRED'
  | 'QUOTE_MISMATCH'
  | 'QUOTE_USED'
  | AuthorizationRefusal
  | 'UNKNOWN_CUSTOMER';

export interface Refusal {
  readonly ok: false;
  readonly reason: WithdrawalRefusal;
}

/** What an ask says, in one spelling: two asks that say the same are equal in it. */
export interface ReadAsk {
  readonly units: bigint;
  readonly destination: string;
}

/**
 * The ask's own words, read by rules that never change for a network. What the configuration or the state of the
 * system may change is asked of `refusalsOf`: a request that was taken once must be recognised for ever.
 */
export function readAsk(ask: WithdrawalAsk): { readonly ok: true; readonly read: ReadAsk } | Refusal {
  const { asset, network } = ask.listing;
  const amount = parseAmount(ask.amount, asset.decimals);
  if (!amount.ok) return amount;
  if (network.kind === 'bitcoin') {
    const parsed = parseBitcoinAddress(ask.destination, network.chain);
    return parsed.ok
      ? { ok: true, read: { units: amount.units, destination: parsed.canonical } }
      : { ok: false, reason: parsed.reason };
  }
  const parsed = parseEvmAddress(ask.destination);
  return parsed.ok
    ? { ok: true, read: { units: amount.units, destination: parsed.address } }
    : { ok: false, reason: parsed.reason };
}

/** Why each of these may not be paid as things are now; undefined for those that may. */
export async function refusalsOf(
  db: Database | DatabaseTransaction,
  asks: readonly { readonly listing: Listing; readonly read: ReadAsk }[],
): Promise<(WithdrawalRefusal | undefined)[]> {
  const networks = new Map(asks.map(({ listing }) => [listing.network.id, listing.network]));
  const own = new Map<string, ReadonlySet<string>>();
  for (const [id, network] of networks) {
    const here = asks.filter(({ listing }) => listing.network.id === id);
    own.set(
      id,
      await ownAmong(
        db,
        network,
        here.map(({ read }) => read.destination),
      ),
    );
  }
  return asks.map(({ listing, read }) => {
    const isOwn = own.get(listing.network.id)?.has(read.destination) ?? false;
    return refusalOf(listing, read, isOwn);
  });
}

function refusalOf(
  listing: Listing,
  { units, destination }: ReadAsk,
  isOwn: boolean,
): WithdrawalRefusal | undefined {
  if (units < listing.withdrawalMinUnits) return 'BELOW_MINIMUM';
  if (isOwn) return 'OWN_ADDRESS';
  const contracts = listing.network.listings.map((entry) => entry.contract?.toLowerCase());
  if (contracts.includes(destination.toLowerCase())) return 'TOKEN_CONTRACT_AS_DESTINATION';
  if (listing.network.kind === 'evm' && units > EVM_UNITS_MAX) return 'AMOUNT_TOO_LARGE';
  return isPayable(listing, destination, units) ? undefined : 'BELOW_MINIMUM';
}
