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

/** Numbers of the orders in the mined attempt, and in the latest; null: none, or not of Bitcoin. */
interface AttemptOrders {
  readonly mined: readonly string[] | null;
  readonly latest: readonly string[] | null;
}

interface Place {
  readonly txId: string | null;
  readonly height: number | null;
}

/** Progress of an order: its spend's, or its own where a vault paid it apart from others. */
export type ProgressOf = (spendId: string, orderNumber: bigint) => SpendProgress | undefined;

type Db = Database | DatabaseTransaction;

/** Progress of these spends' orders. */
export async function progressOf(db: Db, spendIds: readonly string[]): Promise<ProgressOf> {
  if (spendIds.length === 0) return () => undefined;
  const rows = await executorOf(db).query<SpendProgress & AttemptOrders>(
    `select s.id, s.state, s.reason, coalesce(b.tx_id, s.tx_id) as "txId", b.height,
       jsonb_path_query_array(b.request, '$.orders[*].orderNumber') as mined,
       jsonb_path_query_array(l.request, '$.orders[*].orderNumber') as latest
     from spend s
     left join lateral (
       select a.request from spend_attempt a
       where a.spend_id = s.id and a.request ->> 'type' = 'bitcoin-pay' order by a.n desc limit 1) l on true
     left join lateral (
       select a.tx_id, a.request, c.spent_height as height
       from spend_coin sc
       join bitcoin_coin c on c.network = sc.network and c.tx_id = sc.tx_id and c.vout = sc.vout
       join spend_attempt a on a.spend_id = s.id and a.tx_id = c.spent_tx_id
       where sc.spend_id = s.id and c.spent_height is not null limit 1) b on true
     where s.id = any($1)`,
    [spendIds],
  );
  const spends = new Map(rows.map((row) => [row.id, row]));
  const payouts = await executorOf(db).query<Place & { number: bigint }>(
    `select o.order_number as number, p.tx_id as "txId", p.height from spend_order o
     join spend s on s.id = o.spend_id
     join evm_payout p on p.network = s.network and p.payout_id = o.order_number and p.canonical
     where o.spend_id = any($1)`,
    [spendIds],
  );
  const places = new Map(payouts.map(({ number, txId, height }) => [number, { txId, height }]));
  return (spendId, orderNumber) => {
    const spend = spends.get(spendId);
    return spend && { ...ofAttempts(spend, String(orderNumber)), ...places.get(orderNumber) };
  };
}

/** An attempt of Bitcoin may leave out orders of earlier ones: what stands for the others does not for these. */
function ofAttempts(row: SpendProgress & AttemptOrders, orderNumber: string): SpendProgress {
  const { mined, latest, ...spend } = row;
  const standing = mined ?? latest;
  if (!standing || standing.includes(orderNumber)) return spend;
  const state = spend.state === 'settled' ? 'settled' : 'signing';
  const reason = latest?.includes(orderNumber) ? 'OTHER_ATTEMPT_MINED' : 'ORDER_EXPIRED';
  return { id: spend.id, state, reason, txId: null, height: null };
}
