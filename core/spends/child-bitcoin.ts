/**
 * A child that pays for its parent (CPFP), where that cannot be replaced: signers sign no payment anew whose time is
 * over, and somebody else's child may make a replacement dearer than our caps. It is a spend of its own without orders:
 * the change of what is stuck, back to us.
 */
import assert from 'node:assert/strict';
import { newId } from '../../lib/ids/ids.ts';
import {
  buildChildPaysForParent,
  estimateFeeRate,
  walletOf,
  type ChildResult,
  type StoredRequest,
} from '../chain/bitcoin/bitcoin.ts';
import type { BitcoinNetwork } from '../config/config.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import { applyPostings, recordNetworkCost } from '../ledger/ledger.ts';
import { BUMP } from './conflict-bitcoin.ts';
import {
  addBitcoinAttempt,
  coinListingOf,
  drawChange,
  FEE_MAX_SAT,
  rateBoundsOf,
  takeCoins,
  watchChange,
  type Change,
} from './coins-bitcoin.ts';
import {
  endSpend,
  GOING,
  insertSpend,
  setAttempt,
  setSpend,
  type AttemptRow,
  type SpendRow,
} from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** Why a withdrawal whose transaction is stuck is not replaced. */
const CHILD_PAYS = 'CHILD_PAYS';

/** A change of plan that is ready to be written, or why there is none. */
export type Child =
  | { readonly ok: true; readonly record: (trx: DatabaseTransaction) => Promise<void> }
  | { readonly ok: false; readonly reason: Extract<ChildResult, { ok: false }>['reason'] };

/** The first child of an attempt that was sent. Asks nodes and changes nothing; `record` writes it. */
export async function prepareChild(
  deps: SpendDeps,
  network: BitcoinNetwork,
  { parent, spend }: { readonly parent: AttemptRow; readonly spend: SpendRow },
): Promise<Child> {
  const { change, result } = await build(deps, network, { parent });
  if (!result.ok) return result;
  const { built } = result;
  return {
    ok: true,
    record: async (trx) => {
      const at = deps.now();
      const id = newId('spend', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
      const { contract, epoch } = spend;
      await insertSpend(trx, {
        id,
        network: network.id,
        contract,
        epoch,
        at,
        orders: [],
        childOf: parent.id,
      });
      await watchChange(trx, network, change);
      await takeCoins(trx, { id, network }, built.plan.inputs);
      await addBitcoinAttempt(deps, trx, { spend: id, n: 1, network, orders: undefined, built });
      await setSpend(trx, spend.id, at, { ...GOING, reason: CHILD_PAYS });
    },
  };
}

/** The next child of the same parent, from the same output: it conflicts with every earlier one. */
export async function prepareNextChild(
  deps: SpendDeps,
  network: BitcoinNetwork,
  last: AttemptRow,
  descendantFeesSat: bigint,
): Promise<Child> {
  const parent = await parentOf(deps, last.spend_id);
  const earlierFeeSat = last.fee_units + descendantFeesSat;
  const { change, result } = await build(deps, network, { parent, earlierFeeSat });
  if (!result.ok) return result;
  const { built } = result;
  return {
    ok: true,
    record: async (trx) => {
      await setAttempt(trx, last.id, { state: 'replaced' });
      await watchChange(trx, network, change);
      const attempt = { spend: last.spend_id, n: last.n + 1, network, orders: undefined, built };
      await addBitcoinAttempt(deps, trx, attempt);
      await setSpend(trx, last.spend_id, deps.now(), GOING);
    },
  };
}

async function build(
  deps: SpendDeps,
  network: BitcoinNetwork,
  { parent, earlierFeeSat }: { readonly parent: AttemptRow; readonly earlierFeeSat?: bigint },
): Promise<{ readonly change: Change; readonly result: ChildResult }> {
  assert.ok(parent.raw && parent.tx_id, `${parent.id} was sent`);
  const market = await estimateFeeRate(deps.bitcoinRpc(network), rateBoundsOf(network));
  const change = await drawChange(deps, network);
  const result = buildChildPaysForParent({
    wallet: walletOf(deps.config, network),
    parent: parent.request as StoredRequest,
    parentTxId: parent.tx_id,
    parentRaw: parent.raw,
    feeRateSatPerVb: Math.min(network.feeRateMaxSatPerVb, market.satPerVb * BUMP),
    feeRateMaxSatPerVb: network.feeRateMaxSatPerVb,
    feeMaxSat: FEE_MAX_SAT,
    changeIndex: change.index,
    ...(earlierFeeSat === undefined ? {} : { earlierFeeSat }),
  });
  return { change, result };
}

/** Whether a child of this attempt was planned, whatever became of it. */
export async function hasChild(deps: SpendDeps, attempt: AttemptRow): Promise<boolean> {
  const query = deps.db.selectFrom('spend').select('id').where('child_of', '=', attempt.id);
  return (await query.executeTakeFirst()) !== undefined;
}

/** The attempt that a child pays for. */
export async function parentOf(deps: SpendDeps, child: string): Promise<AttemptRow> {
  return deps.db
    .selectFrom('spend_attempt')
    .selectAll('spend_attempt')
    .innerJoin('spend', 'spend.child_of', 'spend_attempt.id')
    .where('spend.id', '=', child)
    .executeTakeFirstOrThrow();
}

/** What is to be done about a child, as its parent is now. */
export type Childhood =
  /** It goes on like any other spend. */
  | 'going'
  /** Nobody was asked to sign it, and its parent is in a block: it is not needed unless a reorg comes. */
  | 'waiting'
  /** It can never be mined: something that excludes its parent is irreversible. Or nobody was asked, and it is not needed. */
  | 'over';

export async function childhoodOf(deps: SpendDeps, spend: SpendRow): Promise<Childhood> {
  const [parent] = await executorOf(deps.db).query<{ settled: boolean; won: boolean; mined: boolean }>(
    `select p.state = 'settled' as settled, p.tx_id is not distinct from a.tx_id as won,
       exists (select 1 from bitcoin_coin c where c.network = p.network and c.tx_id = a.tx_id
         and c.height is not null) as mined
     from spend_attempt a join spend p on p.id = a.spend_id where a.id = $1`,
    [spend.child_of],
  );
  assert.ok(parent, 'a child has a parent');
  const isAsked = spend.state !== 'planned';
  if (parent.settled) return parent.won && isAsked ? 'going' : 'over';
  return parent.mined && !isAsked ? 'waiting' : 'going';
}

/** Ends a child that can do nothing any more: it cost nothing. */
export async function endChild(deps: SpendDeps, spend: SpendRow): Promise<void> {
  await deps.effects.commit('spend.child-over', async (trx) => {
    await executorOf(trx).query('update spend_coin set released = true where spend_id = $1', [spend.id]);
    await endSpend(trx, { spend: spend.id, txId: null, costUnits: 0n, at: deps.now(), outcomes: new Map() });
  });
}

/** What an irreversible child cost: it has no order whose settling would book it. Last in its transaction. */
export async function bookChild(
  deps: SpendDeps,
  trx: DatabaseTransaction,
  {
    spend,
    network,
    units,
  }: { readonly spend: string; readonly network: BitcoinNetwork; readonly units: bigint },
): Promise<void> {
  const { id: asset } = coinListingOf(deps.config, network).asset;
  const key = `spend:${spend}`;
  const posting = recordNetworkCost({ key, network: network.id, asset, units, paidFrom: 'hot' });
  const [outcome] = await applyPostings(executorOf(trx), [posting]);
  assert.ok(outcome && outcome.status !== 'refused', `${key}: the books take what a child cost`);
}
