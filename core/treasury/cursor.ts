import type { DatabaseTransaction } from '../db/db.ts';

/** Where a reader of the treasury got, locked until the transaction ends; `start` before it ever began. */
export async function lockCursor(trx: DatabaseTransaction, name: string, start: bigint): Promise<bigint> {
  await trx
    .insertInto('treasury_cursor')
    .values({ name, at: start })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const row = await trx
    .selectFrom('treasury_cursor')
    .select('at')
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirstOrThrow();
  return row.at;
}

export async function moveCursor(trx: DatabaseTransaction, name: string, at: bigint): Promise<void> {
  await trx.updateTable('treasury_cursor').set({ at }).where('name', '=', name).execute();
}
