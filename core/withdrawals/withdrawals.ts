import type { Id } from '../../lib/ids/ids.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import { isGateOpen, isHalted } from '../controls/controls.ts';
import { listingsOf, type Listing } from '../config/config.ts';
import { executorOf, type Database, type DatabaseTransaction } from '../db/db.ts';
import {
  applyPostings,
  recordNetworkCost,
  settleWithdrawal,
  voidHold,
  type Posting,
} from '../ledger/ledger.ts';
import { decideWithdrawal } from '../risk/risk.ts';
import {
  dropPlannedSpend,
  endedSpends,
  prepareSpend,
  progressOf,
  type EndedSpend,
  type SpendDeps,
} from '../spends/spends.ts';
import { rowById, type WithdrawalRow } from './queries.ts';
import { moveWithdrawal } from './steps.ts';
import { cancellableStates, type WithdrawalState } from './withdrawal-states.ts';

export {
  quoteWithdrawal,
  requestWithdrawal,
  type WithdrawalDeps,
  type WithdrawalRefusal,
} from './request.ts';
export { listWithdrawals, withdrawalById, type WithdrawalDetail, type WithdrawalRow } from './queries.ts';
export { withdrawalStates, withdrawalTransitions, type WithdrawalState } from './withdrawal-states.ts';

/** Decided in one pass; the rest waits for the next. */
const DECIDE_MAX = 500;

export type CancelResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: 'NOT_FOUND' | 'TOO_LATE_TO_CANCEL' };

/** Cancels and frees the hold, until the signers are first asked; a cancelled one stays cancelled. */
export async function cancelWithdrawal(
  deps: { readonly db: Database; readonly now: () => Date },
  id: Id<'withdrawal'>,
  actor: string,
): Promise<CancelResult> {
  return deps.db.transaction().execute(async (trx) => {
    const row = await lockRow(trx, id);
    if (!row) return { ok: false, reason: 'NOT_FOUND' };
    if (row.state === 'cancelled') return { ok: true };
    const from = row.state as WithdrawalState;
    if (!cancellableStates.includes(from)) return { ok: false, reason: 'TOO_LATE_TO_CANCEL' };
    const at = deps.now();
    if (from === 'batched' && row.spend_id !== null) {
      if (!(await dropPlannedSpend(trx, row.spend_id))) return { ok: false, reason: 'TOO_LATE_TO_CANCEL' };
      await unbatch(trx, row.spend_id, at);
    }
    const now = (await rowById(trx, id)) ?? row;
    await moveWithdrawal(trx, {
      id,
      from: now.state as WithdrawalState,
      to: 'cancelled',
      at,
      actor,
      reason: 'ASKED',
      evidence: {},
    });
    await post(trx, [voidHold({ withdrawal: id })]);
    return { ok: true };
  });
}

/** One step for all withdrawals: decide, batch, follow their spends, settle. Answers how many moved. */
export async function runWithdrawals(deps: SpendDeps): Promise<number> {
  let moved = await decideAll(deps);
  for (const listing of listingsOf(deps.config)) moved += await batch(deps, listing);
  return moved + (await followSpends(deps));
}

async function decideAll(deps: SpendDeps): Promise<number> {
  const rows = await deps.db
    .selectFrom('withdrawal')
    .select('id')
    .where('state', 'in', ['requested', 'held'])
    .orderBy('order_number')
    .limit(DECIDE_MAX)
    .execute();
  let moved = 0;
  for (const { id } of rows) {
    const changed = await deps.effects.commit('withdrawal.decide', async (trx) => decide(deps, trx, id));
    if (changed) moved += 1;
  }
  return moved;
}

async function decide(deps: SpendDeps, trx: DatabaseTransaction, id: string): Promise<boolean> {
  const row = await lockRow(trx, id);
  const from = row?.state as WithdrawalState | undefined;
  if (!row || (from !== 'requested' && from !== 'held')) return false;
  const at = deps.now();
  const { decision, tag } = decideWithdrawal({
    gateOpen: await isGateOpen(trx, { asset: row.asset, network: row.network, direction: 'withdrawals' }),
    networkHalted: await isHalted(trx, row.network),
    expired: isExpired(row, at),
  });
  const step = { id, from, at, actor: 'risk', reason: tag, evidence: {} };
  switch (decision) {
    case 'approve':
      await moveWithdrawal(trx, { ...step, to: 'approved' });
      return true;
    case 'hold':
      if (from === 'held') return false;
      await moveWithdrawal(trx, { ...step, to: 'held' });
      return true;
    case 'refuse':
      await moveWithdrawal(trx, { ...step, to: 'refused' });
      await post(trx, [voidHold({ withdrawal: id })]);
      return true;
  }
}

/** Oldest first, once the oldest has waited long enough or the batch is full; fewer when liquidity is short. */
async function batch(deps: SpendDeps, listing: Listing): Promise<number> {
  const { network, asset } = listing;
  if (await isHalted(deps.db, network.id)) return 0;
  const rows = await deps.db
    .selectFrom('withdrawal')
    .selectAll()
    .where('state', '=', 'approved')
    .where('network', '=', network.id)
    .where('asset', '=', asset.id)
    .orderBy('order_number')
    .limit(network.batchOrdersMax)
    .execute();
  const [oldest] = rows;
  if (!oldest) return 0;
  const waitedMs = deps.now().getTime() - oldest.updated_at.getTime();
  if (rows.length < network.batchOrdersMax && waitedMs < network.batchWaitMs) return 0;
  for (let count = rows.length; count > 0; count = Math.floor(count / 2)) {
    const chosen = rows.slice(0, count);
    const prepared = await prepareSpend(
      deps,
      listing,
      chosen.map((row) => ({
        orderNumber: row.order_number,
        document: row.document as OrderJson,
        destination: row.destination,
        units: row.units,
      })),
    );
    if (prepared.ok) return record(deps, chosen, prepared.record);
    if (count === 1) await sayWhy(deps, oldest, prepared.reason);
  }
  return 0;
}

/** Writes the spend and moves its withdrawals, all or none: one that was cancelled meanwhile undoes the plan. */
async function record(
  deps: SpendDeps,
  chosen: readonly WithdrawalRow[],
  write: (trx: DatabaseTransaction) => Promise<Id<'spend'>>,
): Promise<number> {
  return deps.effects.commit('withdrawal.batch', async (trx) => {
    const locked = await trx
      .selectFrom('withdrawal')
      .select(['id', 'state'])
      .where(
        'id',
        'in',
        chosen.map((row) => row.id),
      )
      .orderBy('id')
      .forUpdate()
      .execute();
    if (locked.length !== chosen.length || locked.some((row) => row.state !== 'approved')) return 0;
    const spend = await write(trx);
    const at = deps.now();
    for (const row of chosen) {
      const step = {
        id: row.id,
        from: 'approved',
        to: 'batched',
        at,
        actor: 'pipeline',
        reason: 'PLANNED',
        evidence: { spend },
      } as const;
      await moveWithdrawal(trx, step, { spend_id: spend });
    }
    return chosen.length;
  });
}

/** A withdrawal that cannot be paid now says why on its row. */
async function sayWhy(deps: SpendDeps, row: WithdrawalRow, reason: string): Promise<void> {
  if (row.reason === reason) return;
  await deps.effects.commit('withdrawal.wait', (trx) =>
    trx
      .updateTable('withdrawal')
      .set({ reason })
      .where('id', '=', row.id)
      .where('state', '=', 'approved')
      .execute(),
  );
}

/** Brings withdrawals to where their spends are. */
async function followSpends(deps: SpendDeps): Promise<number> {
  const rows = await deps.db
    .selectFrom('withdrawal')
    .selectAll()
    .where('state', 'in', ['batched', 'signing', 'broadcast', 'confirming'])
    .where('spend_id', 'is not', null)
    .orderBy('order_number')
    .execute();
  const bySpend = new Map<string, WithdrawalRow[]>();
  for (const row of rows)
    if (row.spend_id !== null) bySpend.set(row.spend_id, [...(bySpend.get(row.spend_id) ?? []), row]);
  const ended = new Map((await endedSpends(deps.db, [...bySpend.keys()])).map((end) => [end.spend.id, end]));
  let moved = 0;
  for (const [spend, withdrawals] of bySpend) {
    const end = ended.get(spend);
    moved += end ? await settle(deps, end) : await follow(deps, spend, withdrawals);
  }
  return moved;
}

async function follow(deps: SpendDeps, spend: string, rows: readonly WithdrawalRow[]): Promise<number> {
  const progress = await progressOf(deps.db, spend);
  if (!progress) return 0;
  const { state, txId, height } = progress;
  const wanted: WithdrawalState =
    height !== null
      ? 'confirming'
      : state === 'broadcast'
        ? 'broadcast'
        : state === 'signing'
          ? 'signing'
          : 'batched';
  const behind = rows.filter((row) => row.state !== wanted || row.tx_id !== txId);
  if (behind.length === 0) return 0;
  return deps.effects.commit('withdrawal.follow', async (trx) => {
    let moved = 0;
    for (const { id } of behind) {
      const row = await lockRow(trx, id);
      if (!row) continue;
      moved += await stepTowards(deps, trx, row, { wanted, txId, height });
    }
    return moved;
  });
}

const ORDER: readonly WithdrawalState[] = ['batched', 'signing', 'broadcast', 'confirming'];

/** A reorg may bring it from confirming back to broadcast; otherwise every state on the way is written down. */
async function stepTowards(
  deps: SpendDeps,
  trx: DatabaseTransaction,
  row: WithdrawalRow,
  to: { readonly wanted: WithdrawalState; readonly txId: string | null; readonly height: number | null },
): Promise<number> {
  const at = deps.now();
  let from = row.state as WithdrawalState;
  let moved = 0;
  const step = (next: WithdrawalState, reason: string) =>
    moveWithdrawal(
      trx,
      { id: row.id, from, to: next, at, actor: 'chain', reason, evidence: evidenceOf(to) },
      { tx_id: to.txId },
    );
  if (from === 'confirming' && to.wanted === 'broadcast') {
    await step('broadcast', 'REORG');
    return 1;
  }
  while (ORDER.indexOf(from) < ORDER.indexOf(to.wanted)) {
    const next = ORDER[ORDER.indexOf(from) + 1];
    if (next === undefined) break;
    await step(next, 'FOLLOWED');
    from = next;
    moved += 1;
  }
  if (moved === 0 && row.tx_id !== to.txId) {
    await trx
      .updateTable('withdrawal')
      .set({ tx_id: to.txId, updated_at: at })
      .where('id', '=', row.id)
      .execute();
  }
  return moved;
}

/** Books a spend's end: each hold is posted or voided, and what the transaction cost, once. */
async function settle(deps: SpendDeps, end: EndedSpend): Promise<number> {
  const { spend } = end;
  const native = listingsOf(deps.config).find(
    (listing) => listing.network.id === spend.network && listing.contract === '',
  );
  if (!native) throw new Error(`${spend.network} lists no coin of its own`);
  return deps.effects.commit('withdrawal.settle', async (trx) => {
    const rows = await trx
      .selectFrom('withdrawal')
      .selectAll()
      .where('spend_id', '=', spend.id)
      .where('state', 'in', ['batched', 'signing', 'broadcast', 'confirming'])
      .orderBy('id')
      .forUpdate()
      .execute();
    const progress = await progressOf(trx, spend.id);
    const postings: Posting[] = [];
    for (const row of rows) {
      const paid = end.orders.find((order) => order.orderNumber === row.order_number)?.outcome === 'paid';
      await stepTowards(deps, trx, row, {
        wanted: 'confirming',
        txId: spend.tx_id,
        height: progress?.height ?? null,
      });
      const step = {
        id: row.id,
        from: 'confirming',
        at: deps.now(),
        actor: 'chain',
        evidence: evidenceOf({ txId: spend.tx_id, height: progress?.height ?? null }),
      } as const;
      await moveWithdrawal(
        trx,
        paid
          ? { ...step, to: 'settled', reason: 'IRREVERSIBLE' }
          : { ...step, to: 'failed', reason: 'PAYOUT_FAILED' },
        { tx_id: spend.tx_id },
      );
      postings.push(
        paid
          ? settleWithdrawal({
              withdrawal: row.id,
              network: row.network,
              amount: row.units,
              fee: row.fee_units,
            })
          : voidHold({ withdrawal: row.id }),
      );
    }
    if (rows.length > 0 && (spend.cost_units ?? 0n) > 0n) {
      const paidFrom = native.network.kind === 'bitcoin' ? 'hot' : 'gas';
      postings.push(
        recordNetworkCost({
          key: spend.id,
          network: spend.network,
          asset: native.asset.id,
          units: spend.cost_units ?? 0n,
          paidFrom,
        }),
      );
    }
    await post(trx, postings);
    return rows.length;
  });
}

function evidenceOf(at: { readonly txId: string | null; readonly height: number | null }): object {
  return {
    ...(at.txId === null ? {} : { tx_id: at.txId }),
    ...(at.height === null ? {} : { height: at.height }),
  };
}

async function unbatch(trx: DatabaseTransaction, spend: string, at: Date): Promise<void> {
  const rows = await trx
    .selectFrom('withdrawal')
    .select('id')
    .where('spend_id', '=', spend)
    .orderBy('id')
    .forUpdate()
    .execute();
  for (const { id } of rows) {
    const step = {
      id,
      from: 'batched',
      to: 'approved',
      at,
      actor: 'pipeline',
      reason: 'PLAN_DROPPED',
      evidence: {},
    } as const;
    await moveWithdrawal(trx, step, { spend_id: null });
  }
}

async function post(trx: DatabaseTransaction, postings: readonly Posting[]): Promise<void> {
  const outcomes = await applyPostings(executorOf(trx), postings);
  const refused = outcomes.find((outcome) => outcome.status === 'refused');
  if (refused?.status === 'refused')
    throw new Error(`the books refuse a withdrawal's posting: ${refused.reason}`);
}

function lockRow(trx: DatabaseTransaction, id: string): Promise<WithdrawalRow | undefined> {
  return trx.selectFrom('withdrawal').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

function isExpired(row: WithdrawalRow, at: Date): boolean {
  const { expiry } = row.document as { expiry?: string };
  return expiry !== undefined && BigInt(expiry) * 1000n <= BigInt(at.getTime());
}
