import type { Id } from '../../lib/ids/ids.ts';
import type { Database, DatabaseTransaction } from '../db/db.ts';
import { voidHold } from '../ledger/ledger.ts';
import { dropPlannedSpend } from '../spends/spends.ts';
import type { WithdrawalRow } from './queries.ts';
import { withRetries } from './retries.ts';
import { commitMoves, type Move } from './steps.ts';
import { cancellableStates, type WithdrawalState } from './withdrawal-states.ts';

export type CancelResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'NOT_FOUND' | 'TOO_LATE_TO_CANCEL' };

const TOO_LATE: CancelResult = { ok: false, reason: 'TOO_LATE_TO_CANCEL' };

/**
 * Cancels and frees the hold, until the signers are first asked: a spend that is only planned is taken back, and
 * its other orders wait for the next. Cancelled once more, it stays cancelled. `actor` is who asks.
 */
export async function cancelWithdrawal(
  deps: { readonly db: Database; readonly now: () => Date },
  id: Id<'withdrawal'>,
  actor: string,
): Promise<CancelResult> {
  for (let look = 1; look < LOOKS_MAX; look += 1) {
    const result = await cancelOnce(deps, id, actor);
    if (result) return result;
  }
  return TOO_LATE;
}

/** A withdrawal that is planned and taken back again and again while somebody cancels it. */
const LOOKS_MAX = 5;

/** Undefined when it was planned between our two looks: then the spend is to be locked first. */
async function cancelOnce(
  deps: { readonly db: Database; readonly now: () => Date },
  id: Id<'withdrawal'>,
  actor: string,
): Promise<CancelResult | undefined> {
  return withRetries(deps.db, async (trx) => {
    const row = await trx.selectFrom('withdrawal').selectAll().where('id', '=', id).executeTakeFirst();
    if (!row) return { ok: false, reason: 'NOT_FOUND' };
    if (row.state === 'cancelled') return { ok: true };
    const at = deps.now();
    if (row.spend_id === null) return cancelAlone(trx, id, { actor, at });
    return cancelInSpend(trx, row, { actor, at });
  });
}

interface By {
  readonly actor: string;
  readonly at: Date;
}

async function cancelAlone(
  trx: DatabaseTransaction,
  id: string,
  { actor, at }: By,
): Promise<CancelResult | undefined> {
  const row = await trx
    .selectFrom('withdrawal')
    .selectAll()
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirstOrThrow();
  if (row.state === 'cancelled') return { ok: true };
  const from = row.state as WithdrawalState;
  if (!cancellableStates.includes(from)) return TOO_LATE;
  if (row.spend_id !== null) return undefined;
  await commitMoves(trx, {
    moves: [cancelled(id, from, actor)],
    postings: [voidHold({ withdrawal: id })],
    at,
  });
  return { ok: true };
}

/** The spend's lock comes before its withdrawals', and these in the order of their ids. */
async function cancelInSpend(
  trx: DatabaseTransaction,
  { id, spend_id: spend }: WithdrawalRow,
  { actor, at }: By,
): Promise<CancelResult> {
  const moves: Move[] = [];
  const dropped = await dropPlannedSpend(trx, spend ?? '', async () => {
    const rows = await trx
      .selectFrom('withdrawal')
      .select(['id', 'state'])
      .where('spend_id', '=', spend)
      .orderBy('id')
      .forUpdate()
      .execute();
    for (const row of rows) {
      const back = { from: 'batched', to: 'approved', actor: 'pipeline', reason: 'PLAN_DROPPED' } as const;
      moves.push({ ...back, id: row.id, evidence: {}, spend: null });
    }
    await trx.updateTable('withdrawal').set({ spend_id: null }).where('spend_id', '=', spend).execute();
  });
  if (!dropped) return TOO_LATE;
  moves.push(cancelled(id, 'approved', actor));
  await commitMoves(trx, { moves, postings: [voidHold({ withdrawal: id })], at });
  return { ok: true };
}

function cancelled(id: string, from: WithdrawalState, actor: string): Move {
  return { id, from, to: 'cancelled', actor, reason: 'ASKED', evidence: {} };
}
