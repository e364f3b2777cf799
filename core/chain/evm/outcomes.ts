import { executorOf, type Database, type DatabaseTransaction } from '../../db/db.ts';

type Db = Database | DatabaseTransaction;

/** What the vault's own event says became of an order. */
export interface PayoutRow {
  readonly vault: string;
  readonly payoutId: bigint;
  readonly contract: string;
  readonly recipient: string;
  readonly units: bigint;
  /** False: PayFailed, nothing left, and the vault never pays this number again. */
  readonly paid: boolean;
  readonly txId: string;
  readonly blockHash: string;
  readonly height: number;
}

/** Outcomes of these orders on our chain as it stands. Whoever settles waits until `height` is deep enough. */
export async function payoutsOf(
  db: Db,
  network: string,
  orderNumbers: readonly bigint[],
): Promise<PayoutRow[]> {
  return executorOf(db).query<PayoutRow>(
    `select vault, payout_id as "payoutId", contract, recipient, units, paid, tx_id as "txId",
       block_hash as "blockHash", height
     from evm_payout where network = $1 and payout_id = any($2) and canonical order by payout_id`,
    [network, orderNumbers],
  );
}

export interface DeliveryRow {
  readonly txId: string;
  readonly position: string;
  readonly deposit: string;
  readonly contract: string;
  readonly destination: string;
  readonly units: bigint;
  readonly blockHash: string;
  readonly height: number;
}

/** What the factory delivered in a transaction, on our chain as it stands. */
export async function deliveriesOf(db: Db, network: string, txId: string): Promise<DeliveryRow[]> {
  return executorOf(db).query<DeliveryRow>(
    `select tx_id as "txId", position, deposit, contract, destination, units, block_hash as "blockHash", height
     from evm_delivery where network = $1 and tx_id = $2 and canonical order by position`,
    [network, txId],
  );
}
