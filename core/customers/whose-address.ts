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
  if (network.kind === 'evm') {
    const contracts = [network.registry, network.factory, network.vault, network.cold];
    if (contracts.some((own) => own.toLowerCase() === canonical.toLowerCase())) return true;
  }
  const row = await db
    .selectFrom('watched')
    .select('id')
    .where('network', '=', network.id)
    .where('address', '=', canonical)
    .executeTakeFirst();
  return row !== undefined;
}
