import type { Selectable } from 'kysely';
import type { Database } from '../db/db.ts';
import type { Deposit, DepositStep } from '../db/tables.ts';
import type { DepositState } from './deposit-states.ts';
import type { StrayRow } from './strays.ts';

export type DepositRow = Selectable<Deposit> & { readonly address: string };
export type DepositStepRow = Selectable<DepositStep>;

const withAddress = (db: Database) =>
  db
    .selectFrom('deposit')
    .innerJoin('deposit_address', 'deposit_address.id', 'deposit.address_id')
    .selectAll('deposit')
    .select('deposit_address.address');

/** A deposit and its timeline, oldest step first. */
export async function depositById(
  db: Database,
  id: string,
): Promise<{ readonly row: DepositRow; readonly timeline: readonly DepositStepRow[] } | undefined> {
  const row = await withAddress(db).where('deposit.id', '=', id).executeTakeFirst();
  if (!row) return undefined;
  const timeline = await db
    .selectFrom('deposit_step')
    .selectAll()
    .where('deposit_id', '=', id)
    .orderBy('n')
    .execute();
  return { row, timeline };
}

/** Deposits, newest first. `before` is the id of the last one of the page before. */
export async function listDeposits(
  db: Database,
  filter: {
    readonly before?: string | undefined;
    readonly limit: number;
    readonly customer?: string | undefined;
    readonly asset?: string | undefined;
    readonly network?: string | undefined;
    readonly state?: DepositState | undefined;
    readonly txId?: string | undefined;
  },
): Promise<DepositRow[]> {
  let query = withAddress(db);
  if (filter.before !== undefined) query = query.where('deposit.id', '<', filter.before);
  if (filter.customer !== undefined) query = query.where('deposit.customer_id', '=', filter.customer);
  if (filter.asset !== undefined) query = query.where('deposit.asset', '=', filter.asset);
  if (filter.network !== undefined) query = query.where('deposit.network', '=', filter.network);
  if (filter.state !== undefined) query = query.where('deposit.state', '=', filter.state);
  if (filter.txId !== undefined) query = query.where('deposit.tx_id', '=', filter.txId);
  return query.orderBy('deposit.id', 'desc').limit(filter.limit).execute();
}

/** Strays, newest first. */
export async function listStrays(
  db: Database,
  filter: {
    readonly before?: string | undefined;
    readonly limit: number;
    readonly network?: string | undefined;
    readonly customer?: string | undefined;
  },
): Promise<StrayRow[]> {
  let query = db.selectFrom('stray').selectAll();
  if (filter.before !== undefined) query = query.where('id', '<', filter.before);
  if (filter.network !== undefined) query = query.where('network', '=', filter.network);
  if (filter.customer !== undefined) query = query.where('customer_id', '=', filter.customer);
  return query.orderBy('id', 'desc').limit(filter.limit).execute();
}

export async function strayById(db: Database, id: string): Promise<StrayRow | undefined> {
  return db.selectFrom('stray').selectAll().where('id', '=', id).executeTakeFirst();
}
