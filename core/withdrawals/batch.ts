import type { Id } from '../../lib/ids/ids.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import { isGateOpen, isHalted } from '../controls/controls.ts';
import type { Listing } from '../config/config.ts';
import type { DatabaseTransaction } from '../db/db.ts';
import { prepareSpend, type SpendDeps } from '../spends/spends.ts';
import { signersAssertion, type Authorization } from './authorization.ts';
import type { WithdrawalRow } from './queries.ts';
import { commitMoves, type Move } from './steps.ts';
import { writeWaits } from './waits.ts';

/** Short of money, the largest order is left out this many times, so that one does not hold up all. */
const LEFT_OUT_MAX = 8;

/**
 * Plans one transaction for the oldest approved orders of a listing, once the oldest has waited long enough or the
 * batch is full. Where money is short the largest orders wait, with the reason on their rows. Answers how many
 * orders it planned.
 */
export async function planBatch(deps: SpendDeps, listing: Listing): Promise<number> {
  const { network } = listing;
  if (await isHalted(deps.db, network.id)) return 0;
  const rows = await approved(deps, listing);
  const [oldest] = rows;
  if (!oldest) return 0;
  const waitedMs = deps.now().getTime() - oldest.updated_at.getTime();
  if (rows.length < network.batchOrdersMax && waitedMs < network.batchWaitMs) return 0;
  let chosen = rows;
  for (let leftOut = 0; chosen.length > 0 && leftOut <= LEFT_OUT_MAX; leftOut += 1) {
    const prepared = await prepareSpend(deps, listing, chosen.map(orderOf));
    if (prepared.ok) return record(deps, listing, chosen, prepared.record);
    const fewerHelp = !['NO_TIP', 'VAULT_PAUSED', 'TOKEN_REFUSES'].includes(prepared.reason);
    const waiting = fewerHelp ? largest(chosen) : chosen;
    await sayWhy(deps, waiting, prepared.reason);
    chosen = chosen.filter((row) => !waiting.includes(row));
  }
  return 0;
}

function approved(deps: SpendDeps, { asset, network }: Listing): Promise<WithdrawalRow[]> {
  return deps.db
    .selectFrom('withdrawal')
    .selectAll()
    .where('state', '=', 'approved')
    .where('network', '=', network.id)
    .where('asset', '=', asset.id)
    .orderBy('order_number')
    .limit(network.batchOrdersMax)
    .execute();
}

function orderOf(row: WithdrawalRow) {
  const { order_number: orderNumber, document, destination, units } = row;
  const authorization = row.authorization_document as Authorization | null;
  const assertion = authorization === null ? undefined : signersAssertion(authorization, orderNumber);
  return { orderNumber, document: document as OrderJson, destination, units, assertion };
}

/** The largest eighth, at least one: few tries even for a full batch. */
function largest(rows: readonly WithdrawalRow[]): WithdrawalRow[] {
  const count = Math.ceil(rows.length / 8);
  return rows.toSorted((a, b) => (a.units > b.units ? -1 : 1)).slice(0, count);
}

/** Writes the spend and moves its withdrawals, all or none: one that was cancelled meanwhile undoes the plan. */
async function record(
  deps: SpendDeps,
  { asset, network }: Listing,
  chosen: readonly WithdrawalRow[],
  write: (trx: DatabaseTransaction) => Promise<Id<'spend'>>,
): Promise<number> {
  return deps.effects.commit('withdrawal.batch', async (trx) => {
    const locked = await trx
      .selectFrom('withdrawal')
      .select('state')
      .where(
        'id',
        'in',
        chosen.map((row) => row.id),
      )
      .orderBy('id')
      .forUpdate()
      .execute();
    if (locked.length !== chosen.length || locked.some(({ state }) => state !== 'approved')) return 0;
    const gate = { asset: asset.id, network: network.id, direction: 'withdrawals' } as const;
    if ((await isHalted(trx, network.id)) || !(await isGateOpen(trx, gate))) return 0;
    const spend = await write(trx);
    const step = { from: 'approved', to: 'batched', actor: 'pipeline', reason: 'PLANNED' } as const;
    const evidence = { spend, orders: chosen.length };
    const moves = chosen.map((row): Move => ({ ...step, id: row.id, evidence, spend }));
    await commitMoves(trx, { moves, postings: [], at: deps.now() });
    return chosen.length;
  });
}

/** A withdrawal that cannot be paid now says why on its row and in its timeline; its place in the queue stays. */
async function sayWhy(deps: SpendDeps, rows: readonly WithdrawalRow[], reason: string): Promise<void> {
  const ids = rows.filter((row) => row.reason !== reason).map((row) => row.id);
  if (ids.length === 0) return;
  await deps.effects.commit('withdrawal.wait', async (trx) => {
    const query = trx.selectFrom('withdrawal').select(['id', 'reason']).where('id', 'in', ids);
    const waiting = await query.where('state', '=', 'approved').orderBy('id').forUpdate().execute();
    const waits = waiting.map(({ id, reason: told }) => ({ id, state: 'approved', reason, told }) as const);
    await writeWaits(trx, waits, deps.now());
  });
}
