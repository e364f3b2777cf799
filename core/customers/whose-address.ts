import type { Network } from '../config/config.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';

/** Whom a deposit address belongs to, whatever its status. */
export async function ownerOf(
  db: Database | DatabaseTransaction,
  network: string,
  address: string,
): Promise<string | undefined> {
  const row = await db
    .selectFrom('deposit_address')
    .select('customer_id')
    .where('network', '=', network)
    .where('address', '=', address)
    .executeTakeFirst();
  return row?.customer_id;
}

/**
 * Whether an address in canonical form is ours: a deposit address of any status, change, vault, cold, relayer,
 * or a contract of the system. Money sent to one by a withdrawal would go in a circle.
 */
export async function isOwnAddress(
  db: Database | DatabaseTransaction,
  network: Network,
  canonical: string,
): Promise<boolean> {
  return (await ownAmong(db, network, [canonical])).has(canonical);
}

/** Those of the addresses, in canonical form, that are ours: isOwnAddress for many at once. */
export async function ownAmong(
  db: Database | DatabaseTransaction,
  network: Network,
  canonicals: readonly string[],
): Promise<ReadonlySet<string>> {
  const asked = [...new Set(canonicals)];
  if (asked.length === 0) return new Set();
  const rows = await db
    .selectFrom('watched')
    .select('address')
    .where('network', '=', network.id)
    .where('address', 'in', asked)
    .execute();
  const watched = new Set(rows.map(({ address }) => address));
  const contracts = contractsOf(network);
  return new Set(
    asked.filter((address) => watched.has(address) || contracts.includes(address.toLowerCase())),
  );
}

function contractsOf(network: Network): string[] {
  if (network.kind === 'bitcoin') return [];
  const { registry, factory, vault, cold } = network;
  return [registry, factory, vault, cold].map((address) => address.toLowerCase());
}
