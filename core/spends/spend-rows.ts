import type { Selectable } from 'kysely';
import type { SignRequest } from '../../signer/protocol/messages.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import type { Spend, SpendAttempt, SpendOrder as SpendOrderTable } from '../db/tables.ts';
import type { SpendOrder } from './spends.ts';

export type SpendRow = Selectable<Spend>;
export type AttemptRow = Selectable<SpendAttempt>;
export type SpendOrderRow = Selectable<SpendOrderTable>;

/** A spend at its end, with what became of each of its orders. */
export interface EndedSpend {
  readonly spend: SpendRow;
  readonly orders: readonly { readonly orderNumber: bigint; readonly outcome: 'paid' | 'failed' }[];
}

type Db = Database | DatabaseTransaction;

/** In one pass, so that a long queue keeps no other work waiting. */
const OPEN_MAX = 200;

export async function openSpends(db: Db): Promise<SpendRow[]> {
  return db
    .selectFrom('spend')
    .selectAll()
    .where('state', 'in', ['planned', 'signing', 'broadcast'])
    .orderBy('id')
    .limit(OPEN_MAX)
    .execute();
}

export async function attemptsOf(db: Db, spend: string): Promise<AttemptRow[]> {
  return db.selectFrom('spend_attempt').selectAll().where('spend_id', '=', spend).orderBy('n').execute();
}

export async function ordersOf(db: Db, spend: string): Promise<SpendOrderRow[]> {
  return db
    .selectFrom('spend_order')
    .selectAll()
    .where('spend_id', '=', spend)
    .orderBy('order_number')
    .execute();
}

export async function insertSpend(
  trx: DatabaseTransaction,
  spend: {
    id: string;
    network: string;
    contract: string;
    epoch: number;
    at: Date;
    orders: readonly SpendOrder[];
  },
): Promise<void> {
  const { id, network, contract, epoch, at, orders } = spend;
  await trx
    .insertInto('spend')
    .values({
      id,
      network,
      contract,
      epoch,
      state: 'planned',
      tx_id: null,
      cost_units: null,
      created_at: at,
      updated_at: at,
    })
    .execute();
  const rows = orders.map((order) => ({
    order_number: order.orderNumber,
    spend_id: id,
    document: JSON.stringify(order.document),
    destination: order.destination,
    units: order.units,
    outcome: null,
  }));
  await trx.insertInto('spend_order').values(rows).execute();
}

export async function insertAttempt(
  trx: DatabaseTransaction,
  attempt: { id: string; spend: string; n: number; request: SignRequest; feeUnits: bigint; at: Date },
): Promise<void> {
  await trx
    .insertInto('spend_attempt')
    .values({
      id: attempt.id,
      spend_id: attempt.spend,
      n: attempt.n,
      request: JSON.stringify(attempt.request),
      fee_units: attempt.feeUnits,
      raw: null,
      tx_id: null,
      state: 'planned',
      made_at: attempt.at,
      broadcast_at: null,
    })
    .execute();
}

export async function setSpend(
  trx: DatabaseTransaction,
  spend: string,
  at: Date,
  set: Partial<Pick<SpendRow, 'state' | 'tx_id' | 'cost_units'>>,
): Promise<void> {
  await trx
    .updateTable('spend')
    .set({ ...set, updated_at: at })
    .where('id', '=', spend)
    .execute();
}

export async function setAttempt(
  trx: DatabaseTransaction,
  attempt: string,
  set: Partial<Pick<AttemptRow, 'state' | 'tx_id' | 'raw' | 'broadcast_at'>>,
): Promise<void> {
  await trx.updateTable('spend_attempt').set(set).where('id', '=', attempt).execute();
}

/** Ends a spend: outcomes of its orders, its cost, and its coins are nobody's any more. */
export async function endSpend(
  trx: DatabaseTransaction,
  end: {
    readonly spend: string;
    readonly state: 'settled' | 'failed';
    readonly txId: string | null;
    readonly costUnits: bigint;
    readonly at: Date;
    readonly outcomes: ReadonlyMap<bigint, 'paid' | 'failed'>;
  },
): Promise<void> {
  for (const [number, outcome] of end.outcomes) {
    await trx.updateTable('spend_order').set({ outcome }).where('order_number', '=', number).execute();
  }
  await trx.updateTable('spend_coin').set({ released: true }).where('spend_id', '=', end.spend).execute();
  await setSpend(trx, end.spend, end.at, { state: end.state, tx_id: end.txId, cost_units: end.costUnits });
}

/** Spends that ended while withdrawals of theirs still wait for it. */
export async function endedSpends(db: Db, spendIds: readonly string[]): Promise<EndedSpend[]> {
  if (spendIds.length === 0) return [];
  const spends = await db
    .selectFrom('spend')
    .selectAll()
    .where('id', 'in', [...spendIds])
    .where('state', 'in', ['settled', 'failed'])
    .execute();
  return Promise.all(
    spends.map(async (spend) => ({
      spend,
      orders: (await ordersOf(db, spend.id)).map((row) => ({
        orderNumber: row.order_number,
        outcome: row.outcome === 'paid' ? ('paid' as const) : ('failed' as const),
      })),
    })),
  );
}

/**
 * Takes a spend back that no signer was asked about, so that one of its orders may be cancelled. False when it is
 * too late. The others are free to be planned again.
 */
export async function dropPlannedSpend(trx: DatabaseTransaction, spend: string): Promise<boolean> {
  const row = await trx
    .selectFrom('spend')
    .select('state')
    .where('id', '=', spend)
    .forUpdate()
    .executeTakeFirst();
  if (row?.state !== 'planned') return false;
  for (const table of ['spend_order', 'spend_coin', 'spend_attempt'] as const) {
    await trx.deleteFrom(table).where('spend_id', '=', spend).execute();
  }
  await trx.deleteFrom('spend').where('id', '=', spend).execute();
  return true;
}

/** Where a spend is: its state, the transaction that stands for it now, and the block that holds it. */
export async function progressOf(
  db: Db,
  id: string,
): Promise<
  { readonly state: string; readonly txId: string | null; readonly height: number | null } | undefined
> {
  const spend = await db.selectFrom('spend').selectAll().where('id', '=', id).executeTakeFirst();
  if (!spend) return undefined;
  const attempts = (await attemptsOf(db, id)).flatMap((attempt) =>
    attempt.tx_id === null ? [] : [attempt.tx_id],
  );
  const mined =
    attempts.length === 0
      ? undefined
      : await db
          .selectFrom('bitcoin_coin')
          .select(['spent_tx_id', 'spent_height'])
          .where('network', '=', spend.network)
          .where('spent_tx_id', 'in', attempts)
          .where('spent_height', 'is not', null)
          .executeTakeFirst();
  if (mined) return { state: spend.state, txId: mined.spent_tx_id, height: mined.spent_height };
  const orders = (await ordersOf(db, id)).map((order) => order.order_number);
  const payout = await db
    .selectFrom('evm_payout')
    .select(['tx_id', 'height'])
    .where('network', '=', spend.network)
    .where('payout_id', 'in', orders.length > 0 ? orders : [-1n])
    .where('canonical', '=', true)
    .executeTakeFirst();
  if (payout) return { state: spend.state, txId: payout.tx_id, height: payout.height };
  return { state: spend.state, txId: spend.tx_id, height: null };
}
