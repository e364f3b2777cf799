import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';
import { ChainError } from './faults.ts';

export type WatchedPurpose = 'deposit' | 'change' | 'vault' | 'cold' | 'relayer' | 'factory';

export interface WatchAddress {
  readonly network: string;
  /** Canonical form of the network. */
  readonly address: string;
  /** scriptPubKey where the network has scripts. */
  readonly script: Uint8Array | null;
  readonly purpose: WatchedPurpose;
  /** Descriptor branch and index such as 0/17, or the salt. */
  readonly derivation: string;
}

/** Writers of `watched` wait for each other until they commit, so ids become visible in order. */
const WATCHED_LOCK = 7_306_021;

/**
 * Has these addresses followed from now on; again is no harm. Answers the ids by address. Hand an address out
 * only after the transaction has committed: the watchers load new rows after they have fetched a block and
 * before they look into it, so no payment to it can be missed. Throws ADDRESS_WATCHED_OTHERWISE when one of
 * them is known for another purpose or derivation.
 */
export async function watchAddresses(
  trx: DatabaseTransaction,
  addresses: readonly WatchAddress[],
): Promise<Map<string, bigint>> {
  const ids = new Map<string, bigint>();
  if (addresses.length === 0) return ids;
  const sql = executorOf(trx);
  await sql.query('select pg_advisory_xact_lock($1::bigint)', [WATCHED_LOCK]);
  const columns = [
    addresses.map((entry) => entry.network),
    addresses.map((entry) => entry.address),
    addresses.map((entry) => (entry.script === null ? null : Buffer.from(entry.script))),
    addresses.map((entry) => entry.purpose),
    addresses.map((entry) => entry.derivation),
  ];
  await sql.query(
    `insert into watched (network, address, script, purpose, derivation)
     select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[])
     on conflict (network, address) do nothing`,
    columns,
  );
  const rows = await sql.query<{ id: bigint; same: boolean; address: string }>(
    `select w.id, w.address, w.script is not distinct from i.script and w.purpose = i.purpose
       and w.derivation = i.derivation as same
     from unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::text[])
       as i(network, address, script, purpose, derivation)
     join watched w on w.network = i.network and w.address = i.address`,
    columns,
  );
  for (const row of rows) {
    if (!row.same) {
      throw new ChainError('ADDRESS_WATCHED_OTHERWISE', `${row.address} is watched for something else`, {
        retryable: false,
      });
    }
    ids.set(row.address, row.id);
  }
  return ids;
}

export interface WatchedRow {
  readonly id: bigint;
  readonly address: string;
  readonly script: Buffer | null;
}

/** Rows of a network after an id, in order, at most `limit`. */
export async function watchedAfter(
  db: Database | DatabaseTransaction,
  network: string,
  id: bigint,
  limit: number,
): Promise<WatchedRow[]> {
  return executorOf(db).query<WatchedRow>(
    'select id, address, script from watched where network = $1 and id > $2 order by id limit $3',
    [network, id, limit],
  );
}
