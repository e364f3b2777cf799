import type { Hex } from 'viem';
import { newId } from '../../lib/ids/ids.ts';
import type { EvmPayRequest } from '../../signer/protocol/messages.ts';
import {
  encodePay,
  enqueueCall,
  orderSignatures,
  payDigest,
  payGasLimit,
  simulateCall,
  vaultState,
  type PayBatch,
  type VaultState,
} from '../chain/evm/evm.ts';
import { gatherSignatures, quorumOf } from '../signing/signing.ts';
import { askedIn, documentOf, isNear, requestOf, type Case } from './evm-case.ts';
import { addEvmAttempt, vaultRefusal } from './plan-evm.ts';
import {
  assertionsIn,
  beginSigning,
  GOING,
  putOff,
  setAttempt,
  setSpend,
  type SpendOrderRow,
} from './spend-rows.ts';
import type { PrepareRefusal } from './spends.ts';

/** Refusals of the vault that people know by another name, as when a payment is planned. */
const KNOWN_AS: Readonly<Record<string, string>> = {
  IsPaused: 'VAULT_PAUSED',
  OverCap: 'CAP_REACHED',
  BalanceTooLow: 'LIQUIDITY_SHORT',
};

/**
 * Asks the signers, tries the call on the node, and queues it for the relayer. Nothing is signed that the vault
 * would not pay now, or that could be too late before it is mined. Where the vault has room for some orders only,
 * these go first.
 */
export async function signAndQueue(one: Case): Promise<boolean> {
  const { deps, network, spend, last } = one;
  const { contract } = spend;
  const state = await vaultState(deps.evmRpc(network), { vault: network.vault, contract });
  const request = requestOf(last);
  const asked = askedIn(request, one.orders);
  const isPayable = asked.every((order) => one.payable.includes(order));
  const wanted = isPayable ? asked : one.payable;
  const units = unitsOf(wanted);
  const recipient = wanted[0]?.destination ?? network.cold;
  const refusal = await vaultRefusal(deps, network, { contract, units, recipient, state });
  const orders = refusal === undefined ? wanted : roomFor(one.payable, refusal, state);
  if (orders.length === 0) {
    await putOff(deps, spend, refusal ?? 'ORDER_EXPIRED');
    return false;
  }
  if (!(await beginSigning(deps, spend))) return true;
  if (orders !== asked) return anew(one, { reason: refusal ?? 'ORDER_EXPIRED', state, orders });
  if (isNear(deps, network, request.deadline)) return anew(one, { reason: 'DEADLINE_NEAR', state, orders });
  if (BigInt(request.generation) !== state.generation) {
    return anew(one, { reason: 'GENERATION_CHANGED', state, orders });
  }
  const batch = batchOf(spend.contract, request, asked);
  const signatures = await signaturesFor(one, request, batch);
  if (signatures === undefined) return false;
  if (typeof signatures === 'object') {
    const others = asked.filter((order) => !signatures.leftOut.has(String(order.order_number)));
    return anew(one, { reason: signatures.why, state, orders: others });
  }
  return queue(one, batch, encodePay(batch, signatures));
}

/** The oldest orders that the vault can pay now, where less would help. */
function roomFor(
  payable: readonly SpendOrderRow[],
  refusal: PrepareRefusal,
  { balanceUnits, capLeftUnits }: VaultState,
): SpendOrderRow[] {
  if (refusal !== 'LIQUIDITY_SHORT' && refusal !== 'CAP_REACHED') return [];
  let room = balanceUnits < capLeftUnits ? balanceUnits : capLeftUnits;
  return payable.filter(({ units }) => {
    if (units > room) return false;
    room -= units;
    return true;
  });
}

function unitsOf(orders: readonly SpendOrderRow[]): bigint {
  return orders.reduce((sum, order) => sum + order.units, 0n);
}

export interface Anew {
  readonly reason: string;
  readonly state: VaultState;
  readonly orders: readonly SpendOrderRow[];
  /** What the last call cost, booked with the spend. */
  readonly costWei?: bigint;
}

/**
 * The next attempt: these orders, a new deadline and the vault's present generation. However many attempts are
 * mined, the vault pays each order number once.
 */
export async function anew(one: Case, { reason, state, orders, costWei = 0n }: Anew): Promise<boolean> {
  const { deps, network, spend, last } = one;
  if (state.paused) {
    await putOff(deps, spend, 'VAULT_PAUSED');
    return false;
  }
  await deps.effects.commit('spend.anew', async (trx) => {
    await setAttempt(trx, last.id, { state: 'replaced' });
    const cost_units = (spend.cost_units ?? 0n) + costWei;
    // A call that reverts again and again must not burn the relayer's float in a loop.
    const waitMs = reason === 'CALL_REVERTED' ? Math.min(60_000, 1000 * 2 ** last.n) : 0;
    const next_at = new Date(deps.now().getTime() + waitMs);
    const fresh = { tx_id: null, reason, failures: 0, next_at, cost_units };
    await setSpend(trx, spend.id, deps.now(), fresh);
    await addEvmAttempt(deps, trx, {
      spend: spend.id,
      n: last.n + 1,
      network,
      contract: spend.contract,
      generation: state.generation,
      orders: orders.map(documentOf),
    });
  });
  return true;
}

interface WithoutSome {
  readonly leftOut: ReadonlySet<string>;
  readonly why: string;
}

/**
 * Signatures of a quorum, as the vault wants them; undefined, and put off, while there are not enough. Where signers
 * refuse some orders only, the others go first: these are told, and asked about again after the others.
 */
async function signaturesFor(
  one: Case,
  request: EvmPayRequest,
  batch: PayBatch,
): Promise<Hex | WithoutSome | undefined> {
  const { deps, network, spend, last } = one;
  const generation = BigInt(request.generation);
  const digest = payDigest(batch, { chainId: network.chainId, vault: request.vault, generation });
  const quorum = quorumOf(deps.config);
  const { signed, refusals, leftOut, refused } = await gatherSignatures({
    ...deps,
    threshold: quorum.threshold,
    attempt: last.id,
    request: { ...request, ...assertionsIn(one.orders, request) },
    verify: async ({ signer, signature }) =>
      signature !== undefined && (await isBy(digest, signature, quorum.evmAddresses.get(signer))),
  });
  const signatures = signed.slice(0, quorum.threshold).flatMap(({ signature }) => (signature as Hex) ?? []);
  const ordered = await orderSignatures(digest, signatures);
  if (ordered.ok && ordered.signers.length >= quorum.threshold) return ordered.signatures;
  const why = refusals.map(({ signer, code }) => `${signer} ${code}`).join(', ');
  const others = batch.orders.filter(({ number }) => !leftOut.has(String(number)));
  if (others.length > 0 && others.length < batch.orders.length) {
    return { leftOut, why: `ORDERS_REFUSED: ${why}` };
  }
  await putOff(deps, spend, `${refused ? 'SIGNERS_REFUSED' : 'SIGNERS_WAITED_FOR'}: ${why}`);
  return undefined;
}

async function isBy(digest: Hex, signature: string, address: string | undefined): Promise<boolean> {
  const recovered = await orderSignatures(digest, [signature as Hex]);
  return recovered.ok && recovered.signers[0] === address;
}

/** Signers may have taken their time, and the vault may have changed: the node's word before the call is queued. */
async function queue(one: Case, batch: PayBatch, data: Hex): Promise<boolean> {
  const { deps, network, spend, last } = one;
  const gasLimit = payGasLimit(batch.orders.length, batch.contract);
  const call = { from: network.cold, to: network.vault, data, gasLimit };
  const trial = await simulateCall(deps.evmRpc(network), call);
  if (!trial.ok) {
    await putOff(deps, spend, `${KNOWN_AS[trial.reason] ?? 'VAULT_REFUSES'}: ${trial.detail}`);
    return false;
  }
  if (isNear(deps, network, requestOf(last).deadline)) return true;
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

function batchOf(contract: string, { deadline }: EvmPayRequest, asked: readonly SpendOrderRow[]): PayBatch {
  const orders = asked.map(({ order_number: number, destination, units }) => ({
    number,
    destination,
    units,
  }));
  return { contract, deadline: BigInt(deadline), orders };
}
