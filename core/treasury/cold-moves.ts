import { recordColdMove, type Posting } from '../ledger/ledger.ts';
import type { TreasuryWork } from './treasury.ts';

/**
 * What moved between vault and cold in these blocks, by their own transactions: an evacuation, or a refill of the
 * vault or of the relayer that the holders of cold signed. None is anybody's deposit; all change which account
 * holds it.
 */
export async function coldMovesIn(work: TreasuryWork, above: number, upTo: number): Promise<Posting[]> {
  const { trx, network, listings } = work;
  const vault = network.vault.toLowerCase();
  const cold = network.cold.toLowerCase();
  const rows = await trx
    .selectFrom('receipt')
    .innerJoin('watched', 'watched.id', 'receipt.watched_id')
    .select(['tx_id', 'position', 'contract', 'units', 'sender', 'watched.address', 'watched.purpose'])
    .where('receipt.network', '=', network.id)
    .where('watched.network', '=', network.id)
    .where('watched.purpose', 'in', ['vault', 'cold', 'relayer'])
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
    const direction = directionOf(row, { from, to, vault, cold });
    if (!direction) return [];
    const key = `${network.id}:${row.tx_id}:${row.position}`;
    const facts = { key, network: network.id, asset: listing.asset.id, units: row.units };
    return [recordColdMove({ ...facts, direction })];
  });
}

function directionOf(
  { purpose, contract }: { purpose: string; contract: string },
  { from, to, vault, cold }: { from: string | undefined; to: string; vault: string; cold: string },
) {
  if (from === vault && to === cold) return 'hot_to_cold';
  if (from === cold && to === vault) return 'cold_to_hot';
  // Gas is paid in the network's own coin; a token there is no gas.
  return from === cold && purpose === 'relayer' && contract === '' ? 'cold_to_gas' : undefined;
}
