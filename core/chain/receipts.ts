import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';

export type ReceiptState = 'mempool' | 'mined' | 'orphaned' | 'replaced';

/** An incoming movement of one transaction. */
export interface NewReceipt {
  readonly txId: string;
  /** Bitcoin: vout. EVM: log:N of the transaction, call:path, or balance:address where no transaction carried it. */
  readonly position: string;
  readonly watchedId: bigint;
  /** Lower-case token contract; '' for the network's own coin. */
  readonly contract: string;
  readonly units: bigint;
  readonly sender: string | null;
}

export interface ReceiptRow {
  readonly id: bigint;
  readonly network: string;
  readonly tx_id: string;
  readonly position: string;
  readonly watched_id: bigint;
  readonly contract: string;
  readonly units: bigint;
  readonly sender: string | null;
  readonly block_hash: string | null;
  readonly height: number | null;
  readonly state: ReceiptState;
  readonly seen_at: Date;
  readonly change: bigint;
  readonly address: string;
  readonly purpose: string;
  readonly derivation: string;
}

/** Receipts of a network that changed after `change`, in the order of their changes, with whom they are for. */
export async function receiptsAfter(
  db: Database | DatabaseTransaction,
  network: string,
  change: bigint,
  limit: number,
): Promise<ReceiptRow[]> {
  return executorOf(db).query<ReceiptRow>(
    `select r.*, w.address, w.purpose, w.derivation
     from receipt r join watched w on w.id = r.watched_id
     where r.network = $1 and r.change > $2 order by r.change limit $3`,
    [network, change, limit],
  );
}

interface Place {
  readonly network: string;
  readonly at: Date;
}

const INCOMING = `unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::numeric[], $7::text[])
  as i(tx_id, position, watched_id, contract, units, sender)`;

/**
 * Writes what a block brought. A receipt that waited in the mempool becomes the mined one; a block that comes
 * back after a reorg finds its orphaned rows and revives them; otherwise the rows are new.
 */
export async function recordMined(
  trx: DatabaseTransaction,
  receipts: readonly NewReceipt[],
  { network, at, blockHash, height }: Place & { readonly blockHash: string; readonly height: number },
): Promise<void> {
  if (receipts.length === 0) return;
  const sql = executorOf(trx);
  const txIds = receipts.map((receipt) => receipt.txId);
  const positions = receipts.map((receipt) => receipt.position);
  await sql.query(
    `update receipt r set block_hash = $4, height = $5, state = 'mined', change = nextval('receipt_change')
     from unnest($2::text[], $3::text[]) as i(tx_id, position)
     where r.network = $1 and r.tx_id = i.tx_id and r.position = i.position and r.block_hash is null
       and not exists (select 1 from receipt o where o.network = r.network and o.tx_id = r.tx_id
         and o.position = r.position and o.block_hash = $4)`,
    [network, txIds, positions, blockHash, height],
  );
  await sql.query(
    `insert into receipt (network, tx_id, position, watched_id, contract, units, sender, block_hash, height,
       state, seen_at, change)
     select $1, i.*, $8, $9, 'mined', $10, nextval('receipt_change') from ${INCOMING}
     on conflict (network, tx_id, position, block_hash) do update
     set state = 'mined', change = nextval('receipt_change') where receipt.state <> 'mined'`,
    [network, ...columnsOf(receipts), blockHash, height, at],
  );
  // What is left of it in the mempool is the same payment: one row stands for it.
  await sql.query(
    `update receipt r set state = 'replaced', change = nextval('receipt_change')
     where network = $1 and tx_id = any($2) and block_hash is null and state = 'mempool'`,
    [network, txIds],
  );
}

/** Writes what the mempool shows. A receipt that stands in a block already stays as it is. */
export async function recordMempool(
  trx: DatabaseTransaction,
  receipts: readonly NewReceipt[],
  { network, at }: Place,
): Promise<void> {
  if (receipts.length === 0) return;
  await executorOf(trx).query(
    `insert into receipt (network, tx_id, position, watched_id, contract, units, sender, block_hash, height,
       state, seen_at, change)
     select $1, i.*, null, null, 'mempool', $8, nextval('receipt_change') from ${INCOMING}
     where not exists (select 1 from receipt o where o.network = $1 and o.tx_id = i.tx_id
       and o.position = i.position and o.state = 'mined')
     on conflict (network, tx_id, position, block_hash) do update
     set state = 'mempool', change = nextval('receipt_change') where receipt.state <> 'mempool'`,
    [network, ...columnsOf(receipts), at],
  );
}

/** Their transactions left the mempool without a block. */
export async function recordReplaced(
  trx: DatabaseTransaction,
  network: string,
  txIds: readonly string[],
): Promise<void> {
  if (txIds.length === 0) return;
  await executorOf(trx).query(
    `update receipt set state = 'replaced', change = nextval('receipt_change')
     where network = $1 and tx_id = any($2) and state = 'mempool'`,
    [network, txIds],
  );
}

/** Their blocks are no longer of the chain. The rows stay. */
export async function recordOrphaned(
  trx: DatabaseTransaction,
  network: string,
  blockHashes: readonly string[],
): Promise<void> {
  await executorOf(trx).query(
    `update receipt set state = 'orphaned', change = nextval('receipt_change')
     where network = $1 and block_hash = any($2) and state = 'mined'`,
    [network, blockHashes],
  );
}

function columnsOf(receipts: readonly NewReceipt[]): unknown[] {
  return [
    receipts.map((receipt) => receipt.txId),
    receipts.map((receipt) => receipt.position),
    receipts.map((receipt) => receipt.watchedId),
    receipts.map((receipt) => receipt.contract),
    receipts.map((receipt) => receipt.units),
    receipts.map((receipt) => receipt.sender),
  ];
}
