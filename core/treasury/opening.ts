import { recordEvent } from '../audit/audit.ts';
import { tipOf } from '../chain/chain.ts';
import type { EvmNetwork, Listing } from '../config/config.ts';
import { listingsOf } from '../config/config.ts';
import { commitTo, executorOf, type DatabaseTransaction } from '../db/db.ts';
import { applyPostings, recordHouseFunding, type Posting } from '../ledger/ledger.ts';
import { lockCursor, moveCursor } from './cursor.ts';
import type { TreasuryDeps } from './treasury.ts';

/** What one of our own places held at a block. */
export interface OpeningBalance {
  readonly place: 'hot' | 'gas' | 'cold';
  /** Canonical form, as it is watched. */
  readonly address: string;
  /** Lower case; '' for the network's own coin. */
  readonly contract: string;
  readonly units: bigint;
}

/**
 * Once for each network, before anything of ours moved on it: what relayer, vault and cold held before anybody
 * watched them is the house's. Receipts that were seen up to that block are booked as what they are, so only the
 * rest is an opening balance. Answers 1 when it opened the books.
 */
export async function openBooks(
  deps: TreasuryDeps,
  network: EvmNetwork,
  balancesAt: NonNullable<TreasuryDeps['openingBalances']>,
): Promise<number> {
  const listings = listingsOf(deps.config).filter((listing) => listing.network.id === network.id);
  const name = `opening:${network.id}`;
  const opened = await deps.db
    .selectFrom('treasury_cursor')
    .select('at')
    .where('name', '=', name)
    .executeTakeFirst();
  if (opened) return 0;
  const tip = await tipOf(deps.db, network.id);
  if (!tip) return 0;
  const balances = await balancesAt(network, tip.hash);
  const commit = deps.commit ?? commitTo(deps.db);
  return commit('treasury.open', async (trx) => {
    if ((await lockCursor(trx, name, -1n)) >= 0n) return 0;
    const postings: Posting[] = [];
    for (const balance of balances) {
      const posting = await openingOf(trx, network, listings, tip.height, balance);
      if (posting) postings.push(posting);
    }
    await moveCursor(trx, name, BigInt(tip.height));
    const outcomes = await applyPostings(executorOf(trx), postings);
    if (outcomes.some((outcome) => outcome.status === 'refused'))
      throw new Error(`the books refuse the opening of ${network.id}`);
    const data = { height: tip.height, block_hash: tip.hash, postings: postings.length };
    await recordEvent(trx, { at: deps.now(), type: 'treasury.opened', subject: network.id, data });
    return 1;
  });
}

async function openingOf(
  trx: DatabaseTransaction,
  network: EvmNetwork,
  listings: readonly Listing[],
  height: number,
  balance: OpeningBalance,
): Promise<Posting | undefined> {
  const listing = listings.find((candidate) => candidate.contract === balance.contract);
  if (!listing || (balance.place === 'gas' && balance.contract !== '')) return undefined;
  const seen = await trx
    .selectFrom('receipt')
    .innerJoin('watched', 'watched.id', 'receipt.watched_id')
    .select((eb) => eb.fn.coalesce(eb.fn.sum<bigint>('units'), eb.val(0n)).as('units'))
    .where('receipt.network', '=', network.id)
    .where('watched.address', '=', balance.address)
    .where('contract', '=', balance.contract)
    .where('state', '=', 'mined')
    .where('height', '<=', height)
    .executeTakeFirstOrThrow();
  const units = balance.units - seen.units;
  if (units <= 0n) return undefined;
  return recordHouseFunding({
    key: `opening:${network.id}:${balance.place}:${balance.contract}`,
    network: network.id,
    asset: listing.asset.id,
    units,
    into: balance.place,
  });
}
