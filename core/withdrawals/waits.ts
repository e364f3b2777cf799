import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import type { WithdrawalState } from './withdrawal-states.ts';

/** Reasons that states have by themselves; every other one says why something waits. */
export const stateReasons: ReadonlySet<string> = new Set([
  'PLANNED',
  'SIGNERS_ASKED',
  'SIGNED',
  'MINED',
  'REORG',
]);

/** Why a withdrawal stays where it is. */
export interface Wait {
  readonly id: string;
  readonly state: WithdrawalState;
  /** A code, and after a colon words for people. */
  readonly reason: string;
  /** What stood as the reason so far. */
  readonly told: string;
  /** Absent: as it is. */
  readonly txId?: string | null;
}

/**
 * Writes reasons on rows that the caller has locked. A reason that is new is also a line of the timeline, from a
 * state to itself; the same code comes once for each state, so that a long wait does not fill it.
 */
export async function writeWaits(trx: DatabaseTransaction, waits: readonly Wait[], at: Date): Promise<void> {
  if (waits.length === 0) return;
  const sql = executorOf(trx);
  await sql.query(
    `update withdrawal w set reason = m.reason, tx_id = case when m.set_tx then m.tx_id else w.tx_id end
     from unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) as m(id, reason, tx_id, set_tx)
     where w.id = m.id`,
    [
      waits.map(({ id }) => id),
      waits.map(({ reason }) => reason),
      waits.map(({ txId }) => txId ?? null),
      waits.map(({ txId }) => txId !== undefined),
    ],
  );
  const fresh = waits.filter(({ reason, told }) => reason !== told && !stateReasons.has(reason));
  const parts = fresh.map(({ id, state, reason }) => {
    const [code = '', ...detail] = reason.split(': ');
    const evidence = detail.length > 0 ? { detail: detail.join(': ') } : {};
    return { id, state, code, evidence };
  });
  await sql.query(
    `insert into withdrawal_step (withdrawal_id, n, at, from_state, to_state, actor, reason, evidence)
     select m.id, (select max(n) + 1 from withdrawal_step last where last.withdrawal_id = m.id),
       $1, m.state, m.state, 'pipeline', m.code, m.evidence::jsonb
     from unnest($2::text[], $3::text[], $4::text[], $5::text[]) as m(id, state, code, evidence)
     where not exists (select 1 from withdrawal_step told
       where told.withdrawal_id = m.id and told.to_state = m.state and told.reason = m.code)`,
    [
      at,
      parts.map(({ id }) => id),
      parts.map(({ state }) => state),
      parts.map(({ code }) => code),
      parts.map(({ evidence }) => JSON.stringify(evidence)),
    ],
  );
}
