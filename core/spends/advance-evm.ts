import {
  callOutcome,
  dropQueuedCall,
  irreversibleDepth,
  payability,
  payoutsOf,
  relayWaits,
  vaultState,
  type CallOutcome,
  type PayoutRow,
} from '../chain/evm/evm.ts';
import { confirmationsOf, tipOf } from '../chain/chain.ts';
import type { EvmNetwork } from '../config/config.ts';
import { haltNetwork } from '../controls/controls.ts';
import { askedIn, isNear, isOver, requestOf, sayWhy, type Case } from './evm-case.ts';
import { anew, signAndQueue } from './sign-evm.ts';
import {
  attemptsOf,
  endSpend,
  isDue,
  ordersOf,
  putOff,
  setAttempt,
  setSpend,
  type OrderOutcome,
  type SpendOrderRow,
  type SpendRow,
} from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** One step of one spend: ask signers, hand the call to the relayer, follow it. True when it moved. */
export async function advanceEvmSpend(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
): Promise<boolean> {
  const one = await look(deps, network, spend);
  if (!one) return false;
  const { call, payouts, pending, payable, last } = one;
  await noteTransaction(one);
  const strange = payouts.find((payout) => !fits(payout, spend, one.orders));
  if (strange) return haltOnForeign(one, strange);
  if (pending.length === 0) return settleIfIrreversible(one);
  if (!isDue(deps, spend)) return false;
  if (call?.state === 'queued') {
    // What would revert, or pay an order whose time is over, is better not sent.
    const isLate = payable.length < pending.length || isNear(deps, network, requestOf(last).deadline);
    if (isLate) return takeBack(one);
  }
  if (call?.state === 'queued' || call?.state === 'sent') return sayIfLaneWaits(one);
  if (payable.length === 0) return expire(one);
  return call ? goOn(one, call) : signAndQueue(one);
}

/** The call is at its end, and orders are still to be paid. */
async function goOn(one: Case, { state: end, costWei }: CallOutcome): Promise<boolean> {
  const { deps, network, spend, last, pending, payable } = one;
  // The vault pays a batch as a whole or not at all; the watcher may be a block behind the relayer's lane.
  const isSeen = askedIn(requestOf(last), pending).length === 0;
  if (end === 'succeeded' && !isSeen) return false;
  const { contract } = spend;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract });
  const reason = end === 'succeeded' ? 'REST_OF_BATCH' : 'CALL_REVERTED';
  return anew(one, { reason, state, orders: payable, costWei: costWei ?? 0n });
}

async function look(deps: SpendDeps, network: EvmNetwork, spend: SpendRow): Promise<Case | undefined> {
  const attempts = await attemptsOf(deps.db, spend.id);
  const last = attempts.at(-1);
  if (!last) return undefined;
  const orders = await ordersOf(deps.db, spend.id);
  const call = await callOutcome(deps.db, network.id, last.id);
  const payouts =
    spend.state === 'planned' ? [] : await ownPayouts(deps, network.id, requestOf(last).vault, orders);
  const told = new Set(payouts.map(({ payoutId }) => payoutId));
  const pending = orders.filter((order) => !told.has(order.order_number));
  const payable = pending.filter((order) => !isOver(deps, network, order));
  return { deps, network, spend, attempts, last, orders, call, payouts, pending, payable };
}

async function ownPayouts(
  { db }: SpendDeps,
  network: string,
  vault: string,
  orders: readonly SpendOrderRow[],
): Promise<PayoutRow[]> {
  const numbers = orders.map((order) => order.order_number);
  const payouts = await payoutsOf(db, network, numbers);
  return payouts.filter((payout) => payout.vault.toLowerCase() === vault.toLowerCase());
}

/**
 * The vault's own events say what became of each order; our call, once it is at its end, says what it cost. Anybody
 * may bring the signed batch to the vault, so the events may come from another transaction than ours.
 */
async function settleIfIrreversible(one: Case): Promise<boolean> {
  const { call } = one;
  if (call?.state === 'queued') return takeBack(one);
  if (call?.state === 'sent' || !(await areIrreversible(one))) return false;
  return end(one, []);
}

/**
 * For orders that are not paid and that no signer is to be asked about again. Signatures for them may be about, so
 * their holds are released only when the chain proves that nothing can pay them any more; until then it says why.
 */
async function expire(one: Case): Promise<boolean> {
  const { deps, network, spend, attempts, last, pending } = one;
  if (spend.state !== 'planned') {
    const orderNumbers = pending.map((order) => order.order_number);
    const deadlines = attempts.map((attempt) => BigInt(requestOf(attempt).deadline));
    const deadline = deadlines.reduce((latest, other) => (other > latest ? other : latest));
    const { vault } = requestOf(last);
    const chain = { db: deps.db, rpc: deps.evmRpc(network), network };
    const verdict = await payability(chain, { vault, orderNumbers, deadline });
    if (verdict === 'used') {
      await putOff(deps, spend, 'PAYOUT_UNSEEN: the vault has used a number of which we saw no event');
      return false;
    }
    if (verdict === 'possible' || !(await areIrreversible(one))) return sayWhy(one, 'ORDER_EXPIRED');
  }
  return end(one, pending);
}

/** Ends the spend: each order by the vault's event, and these as expired. */
async function end(one: Case, expired: readonly SpendOrderRow[]): Promise<boolean> {
  const { deps, spend, last, call, payouts } = one;
  const txId = payouts[0]?.txId ?? null;
  const costUnits = (spend.cost_units ?? 0n) + (call?.costWei ?? 0n);
  const outcomes = new Map<bigint, OrderOutcome>([
    ...payouts.map(({ payoutId, paid }) => [payoutId, paid ? 'paid' : 'failed'] as const),
    ...expired.map((order) => [order.order_number, 'expired'] as const),
  ]);
  await deps.effects.commit('spend.settled', async (trx) => {
    const state = txId === null ? 'replaced' : 'confirmed';
    await setAttempt(trx, last.id, { state, tx_id: txId });
    await endSpend(trx, { spend: spend.id, txId, costUnits, at: deps.now(), outcomes });
  });
  return true;
}

async function areIrreversible({ deps, network, payouts }: Case): Promise<boolean> {
  const tip = await tipOf(deps.db, network.id);
  const depth = irreversibleDepth(network);
  return payouts.every(({ height }) => confirmationsOf(tip?.height ?? 0, height) >= depth);
}

/** What the vault says it paid is exactly what was ordered. */
function fits(payout: PayoutRow, spend: SpendRow, orders: readonly SpendOrderRow[]): boolean {
  const order = orders.find((candidate) => candidate.order_number === payout.payoutId);
  return (
    payout.contract.toLowerCase() === spend.contract &&
    payout.recipient.toLowerCase() === order?.destination.toLowerCase() &&
    payout.units === order.units
  );
}

async function haltOnForeign({ deps, network, spend }: Case, payout: PayoutRow): Promise<boolean> {
  const detail = `${payout.txId} pays order ${payout.payoutId} of ${spend.id} otherwise than it was ordered`;
  await deps.effects.commit('spend.unknown', (trx) =>
    haltNetwork(trx, network.id, 'UNKNOWN_SPEND', detail, deps.now()),
  );
  return true;
}

/** The transaction that stands for the call now, for people to look up. */
async function noteTransaction({ deps, spend, call }: Case): Promise<void> {
  const txId = call?.txId ?? call?.txIds.at(-1) ?? null;
  if (txId === null || txId === spend.tx_id) return;
  await deps.effects.commit('spend.sent', (trx) => setSpend(trx, spend.id, deps.now(), { tx_id: txId }));
}

/** The relayer's lane is in order or says why not; a payment that waits behind it says the same. */
async function sayIfLaneWaits(one: Case): Promise<boolean> {
  const waits = await relayWaits(one.deps.db);
  const wait = waits.find(({ network }) => network === one.network.id);
  return sayWhy(one, wait ? `RELAYER_${wait.reason}` : '');
}

/** Takes the call from the relayer's queue, unless it has a nonce already; the next step decides anew. */
async function takeBack({ deps, network, last }: Case): Promise<boolean> {
  return deps.effects.commit('spend.take-back', (trx) => dropQueuedCall(trx, network.id, last.id));
}
