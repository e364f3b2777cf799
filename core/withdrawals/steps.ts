import assert from 'node:assert/strict';
import { recordEvent } from '../audit/audit.ts';
import type { DatabaseTransaction } from '../db/db.ts';
import { mayBecome, type WithdrawalState } from './withdrawal-states.ts';

export interface Step {
  readonly id: string;
  readonly from: WithdrawalState | null;
  readonly to: WithdrawalState;
  readonly at: Date;
  readonly actor: string;
  readonly reason: string;
  readonly evidence: object;
}

/** Writes one step of the timeline and the event that outside followers see. */
export async function recordStep(trx: DatabaseTransaction, step: Step): Promise<void> {
  const { n } = await trx
    .selectFrom('withdrawal_step')
    .select((eb) => eb.fn.coalesce(eb.fn.max('n'), eb.val(0)).as('n'))
    .where('withdrawal_id', '=', step.id)
    .executeTakeFirstOrThrow();
  await trx
    .insertInto('withdrawal_step')
    .values({
      withdrawal_id: step.id,
      n: n + 1,
      at: step.at,
      from_state: step.from,
      to_state: step.to,
      actor: step.actor,
      reason: step.reason,
      evidence: JSON.stringify(step.evidence),
    })
    .execute();
  const data = { from: step.from, to: step.to, reason: step.reason, ...step.evidence };
  await recordEvent(trx, { at: step.at, type: `withdrawal.${step.to}`, subject: step.id, data });
}

/** Moves a withdrawal whose row the caller has locked. A move that the table does not have is a fault of ours. */
export async function moveWithdrawal(
  trx: DatabaseTransaction,
  step: Step,
  set: { readonly spend_id?: string | null; readonly tx_id?: string | null } = {},
): Promise<void> {
  assert.ok(step.from !== null && mayBecome(step.from, step.to), `${step.id}: ${step.from} → ${step.to}`);
  await trx
    .updateTable('withdrawal')
    .set({ state: step.to, reason: step.reason, updated_at: step.at, ...set })
    .where('id', '=', step.id)
    .where('state', '=', step.from)
    .execute();
  await recordStep(trx, step);
}
