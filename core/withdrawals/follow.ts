import assert from 'node:assert/strict';
import { listingsOf, type Config } from '../config/config.ts';
import type { DatabaseTransaction } from '../db/db.ts';
import { recordNetworkCost, settleWithdrawal, voidHold, type Posting } from '../ledger/ledger.ts';
import {
  endedSpends,
  progressOf,
  type EndedSpend,
  type OrderOutcome,
  type ProgressOf,
  type SpendDeps,
  type SpendProgress,
} from '../spends/spends.ts';
import type { WithdrawalRow } from './queries.ts';
import { commitMoves, type Move } from './steps.ts';
import { stateReasons, writeWaits, type Wait } from './waits.ts';
import { spendingStates, type WithdrawalState } from './withdrawal-states.ts';

type Spending = Pick<WithdrawalRow, 'id' | 'order_number' | 'state' | 'tx_id' | 'reason' | 'spend_id'>;

/** Brings withdrawals to where their spends are; books those whose spend is at its end. */
export async function followSpends(deps: SpendDeps): Promise<number> {
  const rows = await deps.db
    .selectFrom('withdrawal')
    .select(['id', 'order_number', 'state', 'tx_id', 'reason', 'spend_id'])
    .where('state', 'in', spendingStates)
    .where('spend_id', 'is not', null)
    .orderBy('order_number')
    .execute();
  const bySpend = Map.groupBy(rows, (row) => row.spend_id ?? '');
  const progress = await progressOf(deps.db, [...bySpend.keys()]);
  const ended = new Set<string>();
  let moved = 0;
  for (const [spend, withdrawals] of bySpend) {
    if (withdrawals.some((row) => nowOf(progress, row)?.state === 'settled')) ended.add(spend);
    else if (withdrawals.some((row) => isBehind(row, nowOf(progress, row))))
      moved += await follow(deps, spend);
  }
  for (const end of await endedSpends(deps.db, [...ended])) moved += await settle(deps, end);
  return moved;
}

function nowOf(progress: ProgressOf, row: Spending): SpendProgress | undefined {
  return progress(row.spend_id ?? '', row.order_number);
}

function wantedOf({ state, height }: SpendProgress): (typeof spendingStates)[number] {
  if (height !== null && state !== 'planned') return 'confirming';
  if (state === 'broadcast') return 'broadcast';
  return state === 'signing' ? 'signing' : 'batched';
}

function isBehind(row: Spending, now: SpendProgress | undefined): boolean {
  if (!now) return false;
  return movesTowards(row, now).length > 0 || row.tx_id !== now.txId || whyOf(row, now) !== row.reason;
}

/** What stands as the reason of a row once it is where its spend is. */
function whyOf(row: Spending, now: SpendProgress): string {
  const state = movesTowards(row, now).at(-1)?.to ?? row.state;
  if (now.reason !== '' && state !== 'confirming') return now.reason;
  return stateReasons.has(row.reason) ? row.reason : reasonOf(state);
}

async function follow(deps: SpendDeps, spend: string): Promise<number> {
  return deps.effects.commit('withdrawal.follow', async (trx) => {
    const rows = await lockSpending(trx, spend);
    const progress = await progressOf(trx, [spend]);
    const at = deps.now();
    const moves: Move[] = [];
    const waits: Wait[] = [];
    for (const row of rows) {
      const now = nowOf(progress, row);
      if (!now) continue;
      const steps = movesTowards(row, now);
      moves.push(...steps);
      const { to: state = row.state, reason: told = row.reason } = steps.at(-1) ?? {};
      const reason = whyOf({ ...row, state, reason: told }, now);
      waits.push({ id: row.id, state: state as WithdrawalState, reason, told, txId: now.txId });
    }
    await commitMoves(trx, { moves, postings: [], at });
    await writeWaits(trx, waits, at);
    return moves.length;
  });
}

/** Every state on the way is written down; a reorg leads from confirming back to broadcast. */
function movesTowards(row: Spending, now: SpendProgress): Move[] {
  const wanted = wantedOf(now);
  const evidence = evidenceOf(now);
  const step = { id: row.id, actor: 'chain', evidence, txId: now.txId };
  if (row.state === 'confirming' && wanted === 'broadcast') {
    return [{ ...step, from: 'confirming', to: 'broadcast', reason: 'REORG' }];
  }
  const begin = spendingStates.findIndex((state) => state === row.state);
  const path = spendingStates.slice(begin, spendingStates.indexOf(wanted) + 1);
  return path.slice(1).map((to, i): Move => {
    const from = path[i] as WithdrawalState;
    const actor = to === 'signing' ? 'pipeline' : 'chain';
    const plain = to === 'signing' || (to === 'broadcast' && now.txId === null);
    return { ...step, from, to, actor, reason: reasonOf(to), ...(plain ? { evidence: {} } : {}) };
  });
}

function reasonOf(state: string): string {
  if (state === 'batched') return 'PLANNED';
  if (state === 'signing') return 'SIGNERS_ASKED';
  return state === 'broadcast' ? 'SIGNED' : 'MINED';
}

/**
 * Books the end of a spend: each hold is posted or voided, and what the transaction cost, once. Keys make the
 * postings harmless should they be tried again.
 */
async function settle(deps: SpendDeps, { spend, outcomes }: EndedSpend): Promise<number> {
  return deps.effects.commit('withdrawal.settle', async (trx) => {
    const rows = await lockSpending(trx, spend.id);
    if (rows.length === 0) return 0;
    const progress = await progressOf(trx, [spend.id]);
    const moves: Move[] = [];
    const postings: Posting[] = [];
    for (const row of rows) {
      const outcome = outcomes.get(row.order_number);
      const now = nowOf(progress, row);
      assert.ok(now && outcome, 'a spend that ended says what became of its orders');
      moves.push(...lastMoves(row, now, outcome));
      postings.push(outcome === 'paid' ? settleOf(row) : voidHold({ withdrawal: row.id }));
    }
    postings.push(...costOf(deps.config, spend));
    await commitMoves(trx, { moves, postings, at: deps.now() });
    return rows.length;
  });
}

function lastMoves(row: WithdrawalRow, now: SpendProgress, outcome: OrderOutcome): Move[] {
  const step = { id: row.id, actor: 'chain' };
  if (outcome === 'expired') {
    const from = row.state as WithdrawalState;
    return [{ ...step, from, to: 'failed', reason: 'ORDER_EXPIRED', evidence: {}, txId: null }];
  }
  if (outcome === 'failed' && now.txId === null) {
    // Another attempt of its spend was mined, which does not pay it.
    const from = row.state as WithdrawalState;
    return [{ ...step, from, to: 'failed', reason: 'PAYOUT_FAILED', evidence: {}, txId: null }];
  }
  const atEnd: SpendProgress = { ...now, state: 'broadcast', height: now.height ?? 0 };
  const end = { ...step, from: 'confirming', evidence: evidenceOf(now), txId: now.txId } as const;
  const last: Move =
    outcome === 'paid'
      ? { ...end, to: 'settled', reason: 'IRREVERSIBLE' }
      : { ...end, to: 'failed', reason: 'PAYOUT_FAILED' };
  return [...movesTowards(row, atEnd), last];
}

function settleOf({ id, network, units, fee_units: fee }: WithdrawalRow): Posting {
  return settleWithdrawal({ withdrawal: id, network, amount: units, fee });
}

/** The miner's fee left the hot wallet; gas left the relayer's float. */
function costOf(config: Config, spend: EndedSpend['spend']): Posting[] {
  const units = spend.cost_units ?? 0n;
  if (units === 0n) return [];
  const coin = listingsOf(config).find(
    (listing) => listing.network.id === spend.network && listing.contract === '',
  );
  assert.ok(coin, `${spend.network} lists its own coin`);
  const paidFrom = coin.network.kind === 'bitcoin' ? 'hot' : 'gas';
  const named = { key: `spend:${spend.id}`, network: spend.network, asset: coin.asset.id };
  return [recordNetworkCost({ ...named, units, paidFrom })];
}

function lockSpending(trx: DatabaseTransaction, spend: string): Promise<WithdrawalRow[]> {
  return trx
    .selectFrom('withdrawal')
    .selectAll()
    .where('spend_id', '=', spend)
    .where('state', 'in', spendingStates)
    .orderBy('id')
    .forUpdate()
    .execute();
}

function evidenceOf({ txId, height }: SpendProgress): object {
  return { ...(txId === null ? {} : { tx_id: txId }), ...(height === null ? {} : { height }) };
}
