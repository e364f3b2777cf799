import type { Selectable } from 'kysely';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import type { Withdrawal, WithdrawalStep } from '../db/tables.ts';

export type WithdrawalRow = Selectable<Withdrawal>;
export type WithdrawalStepRow = Selectable<WithdrawalStep>;

export interface WithdrawalDetail {
  readonly row: WithdrawalRow;
  readonly timeline: readonly WithdrawalStepRow[];
  /** Of the block that holds its transaction; null while none does. */
  readonly height: number | null;
}

type Db = Database | DatabaseTransaction;

export async function rowById(db: Db, id: string): Promise<WithdrawalRow | undefined> {
  return db.selectFrom('withdrawal').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function withdrawalById(db: Db, id: string): Promise<WithdrawalDetail | undefined> {
  const row = await rowById(db, id);
  if (!row) return undefined;
  const timeline = await db
    .selectFrom('withdrawal_step')
    .selectAll()
    .where('withdrawal_id', '=', id)
    .orderBy('n')
    .execute();
  return { row, timeline, height: heightOf(timeline) };
}

/** Newest first. `before` is the id of the last one already seen. */
export async function listWithdrawals(
  db: Db,
  filter: {
    readonly before?: string | undefined;
    readonly limit: number;
    readonly customer?: string | undefined;
    readonly externalId?: string | undefined;
    readonly asset?: string | undefined;
    readonly network?: string | undefined;
    readonly state?: string | undefined;
  },
): Promise<WithdrawalRow[]> {
  let query = db.selectFrom('withdrawal').selectAll();
  if (filter.before !== undefined) query = query.where('id', '<', filter.before);
  if (filter.customer !== undefined) query = query.where('customer_id', '=', filter.customer);
  if (filter.externalId !== undefined) query = query.where('external_id', '=', filter.externalId);
  if (filter.asset !== undefined) query = query.where('asset', '=', filter.asset);
  if (filter.network !== undefined) query = query.where('network', '=', filter.network);
  if (filter.state !== undefined) query = query.where('state', '=', filter.state);
  return query.orderBy('id', 'desc').limit(filter.limit).execute();
}

function heightOf(timeline: readonly WithdrawalStepRow[]): number | null {
  const last = timeline.findLast(
    ({ from_state: from, to_state: to }) =>
      from !== to && ['confirming', 'settled', 'broadcast', 'failed'].includes(to),
  );
  const height = (last?.evidence as { height?: unknown } | undefined)?.height;
  return typeof height === 'number' ? height : null;
}
