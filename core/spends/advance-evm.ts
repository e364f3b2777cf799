import type { Hex } from 'viem';
import { newId } from '../../lib/ids/ids.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import { confirmationsOf, tipOf } from '../chain/chain.ts';
import {
  callOutcome,
  encodePay,
  enqueueCall,
  irreversibleDepth,
  orderSignatures,
  payDigest,
  payGasLimit,
  payoutsOf,
  simulateCall,
  vaultState,
  type CallOutcome,
  type PayBatch,
  type PayoutRow,
} from '../chain/evm/evm.ts';
import type { EvmNetwork } from '../config/config.ts';
import { haltNetwork } from '../controls/controls.ts';
import { gatherSignatures, quorumOf } from '../signing/signing.ts';
import { addEvmAttempt } from './plan-evm.ts';
import {
  attemptsOf,
  beginSigning,
  endSpend,
  GOING,
  isDue,
  ordersOf,
  putOff,
  setAttempt,
  setSpend,
  type AttemptRow,
  type SpendOrderRow,
  type SpendRow,
} from './spend-rows.ts';
import type { SpendDeps } from './spends.ts';

/** With less than this left of its deadline, an attempt is made anew before it is sent. */
const DEADLINE_LEFT_MIN_SECONDS = 120n;
/** Reverts that a new deadline or the vault's present generation mend. */
const MENDED_BY_ANEW = new Set(['DeadlinePassed', 'SignaturesInvalid']);

/** A spend from a vault with all that one step looks at. */
interface Case {
  readonly deps: SpendDeps;
  readonly network: EvmNetwork;
  readonly spend: SpendRow;
  readonly attempts: readonly AttemptRow[];
  readonly last: AttemptRow;
  readonly orders: readonly SpendOrderRow[];
}

/** One step of one spend: ask signers, hand the call to the relayer, follow it. True when it moved. */
export async function advanceEvmSpend(
  deps: SpendDeps,
  network: EvmNetwork,
  spend: SpendRow,
): Promise<boolean> {
  const attempts = await attemptsOf(deps.db, spend.id);
  const last = attempts.at(-1);
  if (!last) return false;
  const one: Case = { deps, network, spend, attempts, last, orders: await ordersOf(deps.db, spend.id) };
  const call = await callOutcome(deps.db, network.id, last.id);
  if (call) await noteTransaction(one, call);
  if (spend.state !== 'planned') {
    const payouts = await ownPayouts(one);
    const strange = payouts.find((payout) => !fits(payout, spend, one.orders));
    if (strange) return haltOnForeign(one, strange);
    if (payouts.length === one.orders.length) return settleIfIrreversible(one, call, payouts);
  }
  if (!isDue(deps, spend)) return false;
  if (!call) return sign(one);
  // The vault pays a batch as a whole or not at all; the watcher may be a block behind the relayer's lane.
  return call.state === 'reverted' ? anew(one, 'CALL_REVERTED', call.costWei ?? 0n) : false;
}

async function ownPayouts({ deps, network, orders }: Case): Promise<PayoutRow[]> {
  const numbers = orders.map((order) => order.order_number);
  const vault = network.vault.toLowerCase();
  const payouts = await payoutsOf(deps.db, network.id, numbers);
  return payouts.filter((payout) => payout.vault.toLowerCase() === vault);
}

/**
 * The vault's own events say what became of each order; our call, once it is at its end, says what it cost. Anybody
 * may bring the signed batch to the vault, so the events may come from another transaction than ours.
 */
async function settleIfIrreversible(
  { deps, network, spend, last }: Case,
  call: CallOutcome | undefined,
  payouts: readonly PayoutRow[],
): Promise<boolean> {
  if (call?.state === 'queued' || call?.state === 'sent') return false;
  const tip = await tipOf(deps.db, network.id);
  const lowest = Math.min(...payouts.map(({ height }) => confirmationsOf(tip?.height ?? 0, height)));
  if (lowest < irreversibleDepth(network)) return false;
  const txId = payouts[0]?.txId ?? null;
  const costUnits = (spend.cost_units ?? 0n) + (call?.costWei ?? 0n);
  const outcomes = new Map(
    payouts.map(({ payoutId, paid }) => [payoutId, paid ? 'paid' : 'failed'] as const),
  );
  await deps.effects.commit('spend.settled', async (trx) => {
    await setAttempt(trx, last.id, { state: 'confirmed', tx_id: txId });
    await endSpend(trx, { spend: spend.id, txId, costUnits, at: deps.now(), outcomes });
  });
  return true;
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
async function noteTransaction({ deps, spend }: Case, call: CallOutcome): Promise<void> {
  const txId = call.txId ?? call.txIds.at(-1) ?? null;
  if (txId === null || txId === spend.tx_id) return;
  await deps.effects.commit('spend.sent', (trx) => setSpend(trx, spend.id, deps.now(), { tx_id: txId }));
}

/**
 * The next attempt, with a new deadline and the vault's present generation. However many of them are mined, the
 * vault pays each order number once.
 */
async function anew(one: Case, reason: string, costWei: bigint): Promise<boolean> {
  const { deps, network, spend, last } = one;
  const { contract } = spend;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract });
  if (state.paused) {
    await putOff(deps, spend, 'VAULT_PAUSED');
    return false;
  }
  await deps.effects.commit('spend.anew', async (trx) => {
    await setAttempt(trx, last.id, { state: 'replaced' });
    const cost_units = (spend.cost_units ?? 0n) + costWei;
    // A call that reverts again and again must not burn the relayer's float in a loop.
    const waitMs = costWei > 0n ? Math.min(60_000, 1000 * 2 ** last.n) : 0;
    const next_at = new Date(deps.now().getTime() + waitMs);
    await setSpend(trx, spend.id, deps.now(), { reason, failures: 0, next_at, cost_units });
    const { orders } = last.request as EvmPayRequest;
    const { generation } = state;
    await addEvmAttempt(deps, trx, { spend: spend.id, n: last.n + 1, network, contract, generation, orders });
  });
  return true;
}

/** Asks the signers, tries the call on the node, and queues it for the relayer. */
async function sign(one: Case): Promise<boolean> {
  const { deps, network, spend, last } = one;
  if (!(await beginSigning(deps, spend))) return true;
  const request = last.request as EvmPayRequest;
  const nowSeconds = BigInt(Math.floor(deps.now().getTime() / 1000));
  if (BigInt(request.deadline) - nowSeconds < deadlineLeft(network)) return anew(one, 'DEADLINE_NEAR', 0n);
  const batch = batchOf(one, request);
  const generation = BigInt(request.generation);
  const digest = payDigest(batch, { chainId: network.chainId, vault: network.vault, generation });
  const quorum = quorumOf(deps.config);
  const { signed, refusals, refused } = await gatherSignatures({
    ...deps,
    threshold: quorum.threshold,
    attempt: last.id,
    request,
    verify: async ({ signer, signature }) =>
      signature !== undefined && (await isBy(digest, signature, quorum.evmAddresses.get(signer))),
  });
  const signatures = signed.slice(0, quorum.threshold).flatMap(({ signature }) => (signature as Hex) ?? []);
  const ordered = await orderSignatures(digest, signatures);
  if (!ordered.ok || ordered.signers.length < quorum.threshold) {
    const why = refusals.map(({ signer, code }) => `${signer} ${code}`).join(', ');
    await putOff(deps, spend, `${refused ? 'SIGNERS_REFUSED' : 'SIGNERS_WAITED_FOR'}: ${why}`);
    return false;
  }
  return queue(one, batch, encodePay(batch, ordered.signatures));
}

async function isBy(digest: Hex, signature: string, address: string | undefined): Promise<boolean> {
  const recovered = await orderSignatures(digest, [signature as Hex]);
  return recovered.ok && recovered.signers[0] === address;
}

async function queue(one: Case, batch: PayBatch, data: Hex): Promise<boolean> {
  const { deps, network, spend, last } = one;
  const gasLimit = payGasLimit(batch.orders.length, batch.contract);
  const call = { from: network.cold, to: network.vault, data, gasLimit };
  const trial = await simulateCall(deps.evmRpc(network), call);
  if (!trial.ok) {
    if (MENDED_BY_ANEW.has(trial.reason)) return anew(one, trial.reason, 0n);
    await putOff(deps, spend, `VAULT_REFUSES: ${trial.detail}`);
    return false;
  }
  await deps.effects.commit('spend.queued', async (trx) => {
    const at = deps.now();
    const id = newId('call', { nowMs: () => at.getTime(), randomBytes: deps.randomBytes });
    const target = network.vault;
    await enqueueCall(trx, { id, network, key: last.id, target, data, value: 0n, gasLimit }, at);
    const raw = Buffer.from(data.slice(2), 'hex');
    await setAttempt(trx, last.id, { state: 'broadcast', raw, broadcast_at: at });
    await setSpend(trx, spend.id, at, { ...GOING, state: 'broadcast' });
  });
  return true;
}

function batchOf({ spend, orders }: Case, request: EvmPayRequest): PayBatch {
  return {
    contract: spend.contract,
    deadline: BigInt(request.deadline),
    orders: orders.map(({ order_number: number, destination, units }) => ({ number, destination, units })),
  };
}

/** Short deadlines, as in a test, leave at least a quarter. */
function deadlineLeft(network: EvmNetwork): bigint {
  const quarter = BigInt(Math.floor(network.payDeadlineSeconds / 4));
  return quarter < DEADLINE_LEFT_MIN_SECONDS ? quarter : DEADLINE_LEFT_MIN_SECONDS;
}
