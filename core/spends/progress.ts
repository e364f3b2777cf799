import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';

/** Where a spend is, as the chain shows it now. */
export interface SpendProgress {
  readonly id: string;
  readonly state: string;
  /** Why it waits, or ''. */
  readonly reason: string;
  /** The transaction that stands for it now: the mined one, else the last that was sent. */
  readonly txId: string | null;
  /** Of the block that holds it; null while none does. */
  readonly height: number | null;
}

/** Progress of these spends, by id. */
export async function progressOf(
  db: Database | DatabaseTransaction,
  spendIds: readonly string[],
): Promise<Map<string, SpendProgress>> {
  if (spendIds.length === 0) return new Map();
  const rows = await executorOf(db).query<SpendProgress>(
    `select s.id, s.state, s.reason, coalesce(b.tx_id, e.tx_id, s.tx_id) as "txId",
       coalesce(b.height, e.height) as height
     from spend s
     left join lateral (
       select a.tx_id, c.spent_height as height
       from spend_coin sc
       join bitcoin_coin c on c.network = sc.network and c.tx_id = sc.tx_id and c.vout = sc.vout
       join spend_attempt a on a.spend_id = s.id and a.tx_id = c.spent_tx_id
       where sc.spend_id = s.id and c.spent_height is not null limit 1) b on true
     left join lateral (
       select p.tx_id, p.height from spend_order o
       join evm_payout p on p.network = s.network and p.payout_id = o.order_number and p.canonical
       where o.spend_id = s.id order by p.height desc limit 1) e on true
     where s.id = any($1)`,
    [spendIds],
  );
  return new Map(rows.map((row) => [row.id, row]));
}
