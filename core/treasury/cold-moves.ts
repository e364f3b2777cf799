import { recordColdMove, type Posting } from '../ledger/ledger.ts';
import type { TreasuryWork } from './treasury.ts';

/**
 * What moved between vault and cold in these blocks, by their own transactions: an evacuation, or a refill that
 * the holders of cold signed. Neither is anybody's deposit; both change which account holds it.
 */
export async function coldMovesIn(work: TreasuryWork, above: number, upTo: number): Promise<Posting[]> {
  const { trx, network, listings } = work;
  const vault = network.vault.toLowerCase();
  const cold = network.cold.toLowerCase();
  const rows = await trx
    .selectFrom('receipt')
    .innerJoin('watched', 'watched.id', 'receipt.watched_id')
    .select(['tx_id', 'position', 'contract', 'units', 'sender', 'watched.address'])
    .where('receipt.network', '=', network.id)
    .where('watched.network', '=', network.id)
    .where('watched.purpose', 'in', ['vault', 'cold'])
    .where('state', '=', 'mined')
    .where('height', '>', above)
    .where('height', '<=', upTo)
    .orderBy('height')
    .orderBy('receipt.id')
    .execute();
  return rows.flatMap((row) => {
    const listing = listings.find((candidate) => candidate.contract === row.contract);
    const [from, to] = [row.sender?.toLowerCase(), row.address.toLowerCase()];
    if (!listing || from === to) return [];
    const out = from === vault && to === cold;
    if (!out && !(from === cold && to === vault)) return [];
    const key = `${network.id}:${row.tx_id}:${row.position}`;
    const facts = { key, network: network.id, asset: listing.asset.id, units: row.units };
    return [recordColdMove({ ...facts, direction: out ? 'hot_to_cold' : 'cold_to_hot' })];
  });
}
