import type { Database, DatabaseTransaction } from '../db/db.ts';
import { LedgerError } from '../ledger/ledger.ts';

/** Another writer used one of our keys at the same moment: what is tried again is the same. */
const CONFLICTS_MAX = 5;

export async function withRetries<Result>(
  db: Database,
  run: (trx: DatabaseTransaction) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.transaction().execute(run);
    } catch (error) {
      const again = error instanceof LedgerError && error.code === 'LEDGER_CONFLICT';
      if (!again || attempt >= CONFLICTS_MAX) throw error;
    }
  }
}
