import assert from 'node:assert/strict';
import { recordEvents } from '../audit/audit.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import { applyPostings, type Posting } from '../ledger/ledger.ts';
import { mayBecome, type WithdrawalState } from './withdrawal-states.ts';

/** One step of one withdrawal's timeline. */
export interface Move {
  readonly id: string;
  readonly from: WithdrawalState;
  readonly to: WithdrawalState;
  readonly actor: string;
  readonly reason: string;
  readonly evidence: object;
  /** Absent: as it is. */
  readonly spend?: string | null;
  readonly txId?: string | null;
}

/**
 * Moves withdrawals whose rows the caller has locked, several steps of one in their order. Own rows first, then the
 * ledger once, then the event log: everybody takes these locks in this order, so that nobody waits in a circle. A
 * move that the table of transitions does not have, and a posting that the books refuse, are faults of ours.
 */
export async function commitMoves(
  trx: DatabaseTransaction,
  { moves, postings, at }: { moves: readonly Move[]; postings: readonly Posting[]; at: Date },
): Promise<void> {
  if (moves.length === 0) return;
  for (const { id, from, to } of moves) assert.ok(mayBecome(from, to), `${id}: ${from} → ${to}`);
  await writeRows(trx, moves, at);
  await writeSteps(trx, moves, at);
  await post(trx, postings);
  await tell(trx, moves, at);
}

/** The first step of a withdrawal's timeline, which comes from nowhere. */
export async function writeSteps(
  trx: DatabaseTransaction,
  moves: readonly (Omit<Move, 'from'> & { readonly from: WithdrawalState | null })[],
  at: Date,
): Promise<void> {
  await executorOf(trx).query(
    `insert into withdrawal_step (withdrawal_id, n, at, from_state, to_state, actor, reason, evidence)
     select m.id,
            coalesce((select max(n) from withdrawal_step last where last.withdrawal_id = m.id), 0)
              + row_number() over (partition by m.id order by m.i),
            $1, m.from_state, m.to_state, m.actor, m.reason, m.evidence::jsonb
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
         with ordinality as m(id, from_state, to_state, actor, reason, evidence, i)
      order by m.i`,
    [
      at,
      moves.map((move) => move.id),
      moves.map((move) => move.from),
      moves.map((move) => move.to),
      moves.map((move) => move.actor),
      moves.map((move) => move.reason),
      moves.map((move) => JSON.stringify(move.evidence)),
    ],
  );
}

/** Events for outside followers. Takes the event log's lock: last in a transaction. */
export async function tell(
  trx: DatabaseTransaction,
  moves: readonly (Omit<Move, 'from'> & { readonly from: WithdrawalState | null })[],
  at: Date,
): Promise<void> {
  const events = moves.map(({ id, from, to, reason, evidence }) => {
    const data = { from, to, reason, ...evidence };
    return { at, type: `withdrawal.${to}`, subject: id, data };
  });
  await recordEvents(trx, events);
}

/** Each row goes from its first `from` to its last `to`. */
async function writeRows(trx: DatabaseTransaction, moves: readonly Move[], at: Date): Promise<void> {
  const ends = new Map<string, Move>();
  for (const move of moves) {
    const earlier = ends.get(move.id);
    assert.ok(!earlier || earlier.to === move.from, `${move.id}: steps follow each other`);
    ends.set(move.id, earlier ? { ...earlier, ...move, from: earlier.from } : move);
  }
  const rows = [...ends.values()];
  const updated = await executorOf(trx).query<{ id: string }>(
    `update withdrawal w set state = m.to_state, reason = m.reason, updated_at = $1,
       spend_id = case when m.set_spend then m.spend else w.spend_id end,
       tx_id = case when m.set_tx then m.tx_id else w.tx_id end
     from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::text[], $8::boolean[], $9::text[])
       as m(id, from_state, to_state, reason, set_spend, spend, set_tx, tx_id)
     where w.id = m.id and w.state = m.from_state returning w.id`,
    [
      at,
      rows.map((row) => row.id),
      rows.map((row) => row.from),
      rows.map((row) => row.to),
      rows.map((row) => row.reason),
      rows.map((row) => row.spend !== undefined),
      rows.map((row) => row.spend ?? null),
      rows.map((row) => row.txId !== undefined),
      rows.map((row) => row.txId ?? null),
    ],
  );
  assert.equal(updated.length, rows.length, 'the caller has locked the rows in these states');
}

async function post(trx: DatabaseTransaction, postings: readonly Posting[]): Promise<void> {
  if (postings.length === 0) return;
  const outcomes = await applyPostings(executorOf(trx), postings);
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === 'refused') throw new Error(`${postings[i]?.key}: the books say ${outcome.reason}`);
  }
}
