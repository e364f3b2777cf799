import type { BitcoinChildRequest, BitcoinPayRequest } from '../../signer/protocol/messages.ts';
import type { OrderJson } from '../../signer/protocol/order.ts';
import {
  checkAnswer,
  combineAndFinalize,
  mempoolFees,
  type BitcoinRpc,
  type Broadcast,
} from '../chain/bitcoin/bitcoin.ts';
import { confirmationsOf, tipOf } from '../chain/chain.ts';
import { depthFor, type BitcoinNetwork } from '../config/config.ts';
import { haltNetwork } from '../controls/controls.ts';
import { executorOf, type DatabaseTransaction } from '../db/db.ts';
import { gatherSignatures, quorumOf } from '../signing/signing.ts';
import {
  bookChild,
  childhoodOf,
  endChild,
  hasChild,
  parentOf,
  prepareChild,
  prepareNextChild,
} from './child-bitcoin.ts';
import { coinListingOf } from './coins-bitcoin.ts';
import { prepareConflict } from './conflict-bitcoin.ts';
import { hasOver, isOver, leaveOutExpired } from './expired-bitcoin.ts';
import {
  attemptsOf,
  beginSigning,
  endSpend,
  GOING,
  isDue,
  assertionsIn,
  ordersOf,
  putOff,
  setAttempt,
  setSpend,
  type AttemptRow,
  type OrderOutcome,
  type SpendOrderRow,
  type SpendRow,
} from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** A transaction that the mempool lost is given to the node again after this. */
const REBROADCAST_MS = 5_000;

/** A spend of Bitcoin with all that one step looks at. */
interface Case {
  readonly deps: SpendDeps;
  readonly network: BitcoinNetwork;
  readonly spend: SpendRow;
  readonly attempts: readonly AttemptRow[];
  readonly last: AttemptRow;
}

/** One step of one spend: follow the chain, ask signers, broadcast, replace. True when it moved. */
export async function advanceBitcoinSpend(
  deps: SpendDeps,
  network: BitcoinNetwork,
  spend: SpendRow,
): Promise<boolean> {
  const attempts = await attemptsOf(deps.db, spend.id);
  const last = attempts.at(-1);
  if (!last) return false;
  const one: Case = { deps, network, spend, attempts, last };
  const seen = spend.state === 'planned' ? undefined : await spendingOf(one);
  if (seen?.kind === 'foreign') return haltOnForeign(one, seen.txId);
  if (seen?.kind === 'mined') return settleIfIrreversible(one, seen);
  if (spend.child_of !== null) {
    const childhood = await childhoodOf(deps, spend);
    if (childhood === 'over') await endChild(deps, spend);
    if (childhood !== 'going') return childhood === 'over';
  }
  if (!isDue(deps, spend)) return false;
  switch (last.state) {
    case 'planned':
      return reviveOrSign(one, seen !== undefined);
    case 'signed':
      return bringToNode(one);
    default:
      return keepAlive(one, seen !== undefined);
  }
}

type Spending =
  | { readonly kind: 'foreign'; readonly txId: string }
  | { readonly kind: 'mined'; readonly attempt: AttemptRow; readonly height: number }
  | { readonly kind: 'mempool' };

/** Who spends the coins of this spend, whichever attempt it is. */
async function spendingOf({ deps, spend, attempts }: Case): Promise<Spending | undefined> {
  const rows = await executorOf(deps.db).query<{ txId: string; height: number | null }>(
    `select distinct c.spent_tx_id as "txId", c.spent_height as height from spend_coin s
     join bitcoin_coin c on c.network = s.network and c.tx_id = s.tx_id and c.vout = s.vout
     where s.spend_id = $1 and not s.released and c.spent_tx_id is not null`,
    [spend.id],
  );
  const foreign = rows.find((row) => !attempts.some((attempt) => attempt.tx_id === row.txId));
  if (foreign) return { kind: 'foreign', txId: foreign.txId };
  for (const { txId, height } of rows) {
    const attempt = attempts.find((candidate) => candidate.tx_id === txId);
    if (height !== null && attempt) return { kind: 'mined', attempt, height };
  }
  return rows.length > 0 ? { kind: 'mempool' } : undefined;
}

/** Keys of ours signed what we did not plan. Nothing more leaves this network until a person has looked. */
async function haltOnForeign({ deps, network, spend }: Case, txId: string): Promise<boolean> {
  const detail = `${txId} spends a coin of ${spend.id} and is none of its attempts`;
  await deps.effects.commit('spend.unknown', (trx) =>
    haltNetwork(trx, network.id, 'UNKNOWN_SPEND', detail, deps.now()),
  );
  return true;
}

async function settleIfIrreversible(
  { deps, network, spend, attempts }: Case,
  { attempt, height }: Extract<Spending, { kind: 'mined' }>,
): Promise<boolean> {
  const tip = await tipOf(deps.db, network.id);
  if (!tip) return false;
  const orders = await ordersOf(deps.db, spend.id);
  const listing = coinListingOf(deps.config, network);
  const total = orders.reduce((sum, order) => sum + order.units, 0n);
  if (confirmationsOf(tip.height, height) < depthFor(listing, total).irreversible) return false;
  await deps.effects.commit('spend.settled', async (trx) => {
    for (const other of attempts) {
      await setAttempt(trx, other.id, { state: other.id === attempt.id ? 'confirmed' : 'replaced' });
    }
    await releaseUnspent(trx, spend, attempt);
    const outcomes = new Map(orders.map((order) => [order.order_number, outcomeOf(deps, order, attempt)]));
    const { tx_id: txId, fee_units: costUnits } = attempt;
    await endSpend(trx, { spend: spend.id, txId, costUnits, at: deps.now(), outcomes });
    if (spend.child_of !== null) await bookChild(deps, trx, { spend: spend.id, network, units: costUnits });
  });
  return true;
}

/** What the irreversible attempt does not pay, none of the others can: each shares a coin with it. */
function outcomeOf(
  deps: SpendDeps,
  { order_number: number, document }: SpendOrderRow,
  { request }: AttemptRow,
): OrderOutcome {
  const { orders } = request as BitcoinPayRequest;
  if (orders.some((order) => order.orderNumber === String(number))) return 'paid';
  return isOver(deps, document as OrderJson) ? 'expired' : 'failed';
}

/**
 * Coins that only a later attempt would have spent are free again: it conflicts with the one that is irreversible.
 * Spent ones stay taken for ever, so that not even the deepest reorg makes them payable twice.
 */
async function releaseUnspent(
  trx: DatabaseTransaction,
  spend: SpendRow,
  confirmed: AttemptRow,
): Promise<void> {
  await executorOf(trx).query(
    `update spend_coin s set released = true from bitcoin_coin c
     where s.spend_id = $1 and c.network = s.network and c.tx_id = s.tx_id and c.vout = s.vout
       and c.spent_tx_id is distinct from $2`,
    [spend.id, confirmed.tx_id],
  );
}

async function reviveOrSign(one: Case, inMempool: boolean): Promise<boolean> {
  const { deps, network, spend, last } = one;
  const sent = sentOf(one.attempts);
  if (sent && !inMempool) await give(one, sent);
  // Signers will never sign the replacement now: what was sent before it is all that can be mined.
  if (sent && spend.child_of === null && hasOver(deps, last))
    return payByChild(one, sent, 'STUCK_ORDER_EXPIRED');
  return (await leaveOutExpired(deps, network, spend, last)) ?? sign(one);
}

/** The latest that the node was given. */
function sentOf(attempts: readonly AttemptRow[]): AttemptRow | undefined {
  return attempts.findLast((attempt) => attempt.raw !== null && attempt.broadcast_at !== null);
}

/** A child comes with its parent, which the mempool may have lost. */
async function give({ deps, network, spend }: Case, { raw, id }: AttemptRow): Promise<Broadcast> {
  if (raw === null) throw new Error(`${id} is signed and has no bytes`);
  const rpc = deps.bitcoinRpc(network);
  if (spend.child_of === null) return deps.effects.broadcast(rpc, raw);
  const parent = await parentOf(deps, spend.id);
  return deps.effects.broadcast(rpc, raw, parent.raw ?? undefined);
}

/** Asks the signers, and stores the complete bytes before anybody else can have them. */
async function sign({ deps, spend, last }: Case): Promise<boolean> {
  if (!(await beginSigning(deps, spend))) return true;
  const request = last.request as BitcoinPayRequest | BitcoinChildRequest;
  const orders = await ordersOf(deps.db, spend.id);
  const { signed, refusals, refused } = await gatherSignatures({
    ...deps,
    threshold: quorumOf(deps.config).threshold,
    attempt: last.id,
    request: request.type === 'bitcoin-pay' ? { ...request, ...assertionsIn(orders, request) } : request,
    verify: async ({ psbt }) => psbt !== undefined && checkAnswer(request, psbt).ok,
  });
  const psbts = signed.flatMap(({ psbt }) => (psbt === undefined ? [] : [psbt]));
  const combined = combineAndFinalize(request, psbts);
  if (!combined.ok) {
    const why = refusals.map(({ signer, code }) => `${signer} ${code}`).join(', ');
    await putOff(deps, spend, `${refused ? 'SIGNERS_REFUSED' : 'SIGNERS_WAITED_FOR'}: ${why}`);
    return false;
  }
  await deps.effects.commit('spend.signed', async (trx) => {
    await setAttempt(trx, last.id, { state: 'signed', raw: combined.raw, tx_id: combined.txId });
    await setSpend(trx, spend.id, deps.now(), GOING);
  });
  return true;
}

/** Gives the stored bytes to the node. A lost answer changes nothing: the same bytes are given again. */
async function bringToNode(one: Case): Promise<boolean> {
  const { deps, spend, last } = one;
  const result = await give(one, last);
  if (!result.ok) {
    // The fee no longer buys a place, or does not outbid what it would replace: only a higher one can help.
    if (result.reason === 'FEE_TOO_LOW' && (await speedUp(one))) return true;
    await putOff(deps, spend, `BROADCAST_${result.reason}: ${result.detail}`);
    return false;
  }
  await deps.effects.commit('spend.broadcast', async (trx) => {
    const at = deps.now();
    await setAttempt(trx, last.id, { state: 'broadcast', broadcast_at: last.broadcast_at ?? at });
    const next_at = new Date(at.getTime() + REBROADCAST_MS);
    await setSpend(trx, spend.id, at, { ...GOING, next_at, state: 'broadcast', tx_id: last.tx_id });
  });
  return spend.state !== 'broadcast' || last.state !== 'broadcast';
}

/** In no block yet: replaced when it is stuck, given to the node again when the mempool lost it. */
async function keepAlive(one: Case, inMempool: boolean): Promise<boolean> {
  const { deps, network, last } = one;
  const sentAt = last.broadcast_at;
  if (sentAt !== null && deps.now().getTime() - sentAt.getTime() >= network.stuckAfterMs) {
    if (await speedUp(one)) return true;
  }
  return inMempool ? false : bringToNode(one);
}

/**
 * The same payments from the same coins at a higher fee (BIP-125). It conflicts with every earlier attempt, so
 * whichever of them is mined, each order is paid once. Where there can be none, a child pays for what was sent. False,
 * with the reason on the row, when neither can be built.
 */
async function speedUp(one: Case): Promise<boolean> {
  const { deps, network, spend, attempts, last } = one;
  const isChild = spend.child_of !== null;
  if (!isChild && (await hasChild(deps, last))) return false;
  if (!isChild && hasOver(deps, last)) return payByChild(one, last, 'STUCK_ORDER_EXPIRED');
  const descendantFeesSat = await descendantFees(deps.bitcoinRpc(network), attempts);
  const next = isChild
    ? await prepareNextChild(deps, network, last, descendantFeesSat)
    : await prepareConflict(deps, network, { last, descendantFeesSat });
  if (next.ok) {
    await deps.effects.commit('spend.replace', next.record);
    return true;
  }
  if (!isChild && last.broadcast_at !== null) return payByChild(one, last, `STUCK_${next.reason}`);
  await putOff(deps, spend, `STUCK_${next.reason}`);
  return false;
}

/** One child for each attempt: what it costs grows by its own replacements. */
async function payByChild({ deps, network, spend }: Case, parent: AttemptRow, why: string): Promise<boolean> {
  if (await hasChild(deps, parent)) return false;
  const child = await prepareChild(deps, network, { parent, spend });
  if (!child.ok) {
    await putOff(deps, spend, why);
    return false;
  }
  await deps.effects.commit('spend.child', child.record);
  return true;
}

/**
 * Fees of what others built on the attempt that the mempool holds, which leaves with it (BIP-125, rule 3): without
 * them each replacement would be refused, and the next one, dearer by the least step, again.
 */
async function descendantFees(rpc: BitcoinRpc, attempts: readonly AttemptRow[]): Promise<bigint> {
  for (const { tx_id: txId, broadcast_at: sentAt } of attempts.toReversed()) {
    if (txId === null || sentAt === null) continue;
    const fees = await mempoolFees(rpc, txId);
    if (fees) return fees.descendant - fees.base;
  }
  return 0n;
}
