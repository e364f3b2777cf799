import { recordEvent } from '../audit/audit.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import * as ledger from '../ledger/ledger.ts';

export type WriteOffRefusal =
  | 'UNKNOWN_DEPOSIT'
  | 'DEPOSIT_NOT_ORPHANED'
  | 'DEPOSIT_NEVER_CREDITED'
  | 'DEPOSIT_FINAL';

/**
 * Somebody decided that an orphaned deposit will not come back: the house pays for what reached other hands, and
 * all of it becomes final. Doing it again says the same. If the payment is mined after all it is a stray. `why`
 * stands in the event. Call it last in a transaction: it locks the ledger's accounts and the event log.
 */
export async function writeOffDeposit(
  trx: DatabaseTransaction,
  input: { readonly deposit: string; readonly why: string; readonly at: Date },
): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: WriteOffRefusal }> {
  const row = await trx
    .selectFrom('deposit')
    .selectAll()
    .where('id', '=', input.deposit)
    .forUpdate()
    .executeTakeFirst();
  if (!row) return { ok: false, reason: 'UNKNOWN_DEPOSIT' };
  if (row.written_off) return { ok: true };
  if (row.state !== 'orphaned') return { ok: false, reason: 'DEPOSIT_NOT_ORPHANED' };
  // Value that was irreversible is still in the books: its network is halted, and no posting mends that.
  if (row.final) return { ok: false, reason: 'DEPOSIT_FINAL' };
  const posting = ledger.writeOffDeposit({ deposit: row.id });
  const [outcome] = await ledger.applyPostings(executorOf(trx), [posting]);
  if (outcome?.status === 'refused') {
    if (outcome.reason === 'DEPOSIT_NOT_CREDITED') return { ok: false, reason: 'DEPOSIT_NEVER_CREDITED' };
    throw new Error(`${posting.key}: the books say ${outcome.reason}`);
  }
  const set = { written_off: true, updated_at: input.at };
  await trx.updateTable('deposit').set(set).where('id', '=', row.id).execute();
  await recordEvent(trx, {
    at: input.at,
    type: 'deposit.written_off',
    subject: row.id,
    data: {
      tx_id: row.tx_id,
      customer_id: row.customer_id,
      network: row.network,
      asset: row.asset,
      amount_base: row.units.toString(),
      why: input.why,
    },
  });
  return { ok: true };
}
