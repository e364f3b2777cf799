import type { OrderAssertionJson } from '../../signer/protocol/signatures.ts';
import type { Selectable } from 'kysely';
import type { SignRequest } from '../../signer/protocol/messages.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';
import type { Spend, SpendAttempt, SpendOrder as SpendOrderTable } from '../db/tables.ts';
import type { SpendDeps, SpendOrder } from './spends.ts';

export type SpendRow = Selectable<Spend>;
export type AttemptRow = Selectable<SpendAttempt>;
export type SpendOrderRow = Selectable<SpendOrderTable>;

/** `failed`: the payment failed on chain. `expired`: its time ran out, and nothing can pay it any more. */
export type OrderOutcome = 'paid' | 'failed' | 'expired';

/** A spend at its end, with what became of each of its orders. */
export interface EndedSpend {
  readonly spend: SpendRow;
  readonly outcomes: ReadonlyMap<bigint, OrderOutcome>;
}

type Db = Database | DatabaseTransaction;

/** In one pass, so that a long queue keeps no other work waiting. */
const OPEN_MAX = 1000;
/** After a failure it is tried again after this, twice as long after each further one. */
const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 60_000;

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
    readonly id: string;
    readonly network: string;
    readonly contract: string;
    readonly epoch: number;
    readonly at: Date;
    readonly orders: readonly SpendOrder[];
    /** The attempt that this spend, which then has no orders, pays for. */
    readonly childOf?: string;
  },
): Promise<void> {
  const { at, orders, childOf, ...named } = spend;
  const row = {
    ...named,
    child_of: childOf ?? null,
    state: 'planned',
    tx_id: null,
    cost_units: null,
    next_at: null,
  };
  await trx
    .insertInto('spend')
    .values({ ...row, created_at: at, updated_at: at })
    .execute();
  await insertSpendOrders(trx, spend.id, orders);
}

export async function insertSpendOrders(
  trx: DatabaseTransaction,
  spend: string,
  orders: readonly SpendOrder[],
): Promise<void> {
  if (orders.length === 0) return;
  const rows = orders.map(({ orderNumber, document, destination, units, assertion }) => ({
    order_number: orderNumber,
    spend_id: spend,
    document: JSON.stringify(document),
    destination,
    units,
    assertion: assertion === undefined ? null : JSON.stringify(assertion),
    outcome: null,
  }));
  await trx.insertInto('spend_order').values(rows).execute();
}

/** What these orders' customers signed, for the signers; nothing where none did. */
export function assertionsIn(
  orders: readonly SpendOrderRow[],
  request: { readonly orders: readonly { readonly orderNumber: string }[] },
): { readonly assertions?: readonly OrderAssertionJson[] } {
  const asked = new Set(request.orders.map(({ orderNumber }) => orderNumber));
  const assertions = orders
    .filter((order) => order.assertion !== null && asked.has(order.order_number.toString()))
    .map(({ assertion }) => assertion as OrderAssertionJson);
  return assertions.length === 0 ? {} : { assertions };
}

export async function insertAttempt(
  trx: DatabaseTransaction,
  attempt: {
    readonly id: string;
    readonly spend: string;
    readonly n: number;
    readonly request: SignRequest;
    readonly feeUnits: bigint;
    readonly txId: string | null;
    readonly at: Date;
  },
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
      tx_id: attempt.txId,
      state: 'planned',
      made_at: attempt.at,
      broadcast_at: null,
    })
    .execute();
}

type SpendSet = Partial<Pick<SpendRow, 'state' | 'tx_id' | 'cost_units' | 'reason' | 'failures' | 'next_at'>>;

export async function setSpend(
  trx: DatabaseTransaction,
  spend: string,
  at: Date,
  set: SpendSet,
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

/** It goes on by itself again: no reason, tried at once. */
export const GOING: SpendSet = Object.freeze({ reason: '', failures: 0, next_at: null });

/** Waits before the next try, longer each time, with the reason on the row for people to see. */
export async function putOff(
  deps: Pick<SpendDeps, 'effects' | 'now'>,
  spend: SpendRow,
  reason: string,
): Promise<void> {
  const at = deps.now();
  const waitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(spend.failures, 16));
  await deps.effects.commit('spend.put-off', (trx) =>
    setSpend(trx, spend.id, at, {
      reason: reason.slice(0, 500),
      failures: spend.failures + 1,
      next_at: new Date(at.getTime() + waitMs),
    }),
  );
}

/** Whether the time of the next try has come. */
export function isDue(deps: Pick<SpendDeps, 'now'>, spend: SpendRow): boolean {
  return spend.next_at === null || spend.next_at <= deps.now();
}

/**
 * From here on a signature may exist, so the spend is never dropped again. False when it was dropped meanwhile.
 * Committed before the first signer is asked.
 */
export async function beginSigning(deps: SpendDeps, spend: SpendRow): Promise<boolean> {
  if (spend.state !== 'planned') return true;
  return deps.effects.commit('spend.signing', async (trx) => {
    const begun = await trx
      .updateTable('spend')
      .set({ state: 'signing', updated_at: deps.now() })
      .where('id', '=', spend.id)
      .where('state', '=', 'planned')
      .executeTakeFirst();
    return begun.numUpdatedRows === 1n;
  });
}

/** Ends a spend: what became of its orders, and what it cost. */
export async function endSpend(
  trx: DatabaseTransaction,
  end: {
    readonly spend: string;
    readonly txId: string | null;
    readonly costUnits: bigint;
    readonly at: Date;
    readonly outcomes: ReadonlyMap<bigint, OrderOutcome>;
  },
): Promise<void> {
  await executorOf(trx).query(
    `update spend_order o set outcome = e.outcome
     from unnest($1::bigint[], $2::text[]) as e(number, outcome) where o.order_number = e.number`,
    [[...end.outcomes.keys()], [...end.outcomes.values()]],
  );
  const set = { state: 'settled', tx_id: end.txId, cost_units: end.costUnits, ...GOING };
  await setSpend(trx, end.spend, end.at, set);
}

/** Those of the spends that are at their end. */
export async function endedSpends(db: Db, spendIds: readonly string[]): Promise<EndedSpend[]> {
  if (spendIds.length === 0) return [];
  const spends = await db
    .selectFrom('spend')
    .selectAll()
    .where('id', 'in', [...spendIds])
    .where('state', '=', 'settled')
    .execute();
  const ended: EndedSpend[] = [];
  for (const spend of spends) {
    const rows = await ordersOf(db, spend.id);
    const outcomes = rows.map((row) => [row.order_number, row.outcome as OrderOutcome] as const);
    ended.push({ spend, outcomes: new Map(outcomes) });
  }
  return ended;
}

/**
 * Takes a spend back that no signer was asked about: its orders and coins are free to be planned again. Answers
 * false, and changes nothing, when it is too late. `detach` runs under the spend's lock, before the rows go.
 */
export async function dropPlannedSpend(
  trx: DatabaseTransaction,
  spend: string,
  detach: () => Promise<void>,
): Promise<boolean> {
  const row = await trx
    .selectFrom('spend')
    .select('state')
    .where('id', '=', spend)
    .forUpdate()
    .executeTakeFirst();
  if (row?.state !== 'planned') return false;
  await detach();
  for (const table of ['spend_order', 'spend_coin', 'spend_attempt'] as const) {
    await trx.deleteFrom(table).where('spend_id', '=', spend).execute();
  }
  await trx.deleteFrom('spend').where('id', '=', spend).execute();
  return true;
}
