/** Decides on a Bitcoin transaction for orders, and signs it. */
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { toHex } from '../protocol/canonical.ts';
import type { ManifestBitcoin } from '../protocol/manifest.ts';
import { checkNotFrozen } from './freezes.ts';
import type { BitcoinPay, InputClaim } from '../protocol/messages.ts';
import type { Order } from '../protocol/order.ts';
import type { Policy } from '../protocol/policy.ts';
import { P2WSH_DUST_LIMIT, bitcoinScript } from './addresses.ts';
import {
  decodeTransaction,
  outpoint,
  signatureDigests,
  virtualSize,
  type TransactionOutput,
  type UnsignedTransaction,
} from './bitcoin-transaction.ts';
import type { BitcoinKeys, BitcoinWallet } from './bitcoin-wallet.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { VaultFault } from './fault.ts';
import { checkFeeLimit, checkOrderLimits } from './limits.ts';
import type { Memory } from './memory.ts';
import { checkTiers } from './tiers.ts';
import { checkOrders, checkReplacement, freshOf, signedBefore, type OrderRules } from './orders.ts';
import { payEntry, type ChildEntry, type PayEntry } from './pay-entries.ts';
import { feeBeyond } from './payments.ts';

const AMOUNT_MAX = 2_100_000_000_000_000n;

export interface BitcoinRules {
  readonly epoch: number;
  readonly threshold: number;
  readonly entry: ManifestBitcoin;
  readonly policy: Policy;
  readonly nowMs: number;
  readonly authorise: OrderRules['authorise'];
  readonly fundsOf: OrderRules['fundsOf'];
}

export interface BitcoinDecision {
  /** What must be journalled before signing; undefined when this very transaction was signed before. */
  readonly entry: PayEntry | ChildEntry | undefined;
  readonly transaction: UnsignedTransaction;
}

/** Every check of a Bitcoin request; nothing is signed and nothing remembered yet. */
export function decideBitcoinPay(
  request: BitcoinPay,
  rules: BitcoinRules,
  wallet: BitcoinWallet,
  memory: Memory,
): Decision<BitcoinDecision> {
  const { epoch, nowMs } = rules;
  const { network: place, asset } = rules.entry;
  const frozen = checkNotFrozen(memory.freezes, { network: place, asset });
  if (frozen !== undefined) return frozen;
  const bounds = {
    place,
    epoch,
    asset,
    nowMs,
    amountMax: AMOUNT_MAX,
    holdSeconds: rules.policy.credentialHoldSeconds,
    authorise: rules.authorise,
    fundsOf: rules.fundsOf,
  };
  const orders = checkOrders(request.orders, bounds, memory);
  if (!orders.ok) return orders;
  const decoded = decodeTransaction(request.psbt);
  if (!decoded.ok) return decoded;
  const transaction = decoded.value;
  const bent =
    checkInputs(request, rules, wallet, transaction) ?? checkOutputs(request, rules, wallet, transaction);
  if (bent !== undefined) return bent;
  const fee = checkFee(transaction, rules);
  if (!fee.ok) return fee;
  const inputs = transaction.inputs.map(outpoint);
  const attempt = { place, id: transaction.txid, inputs, orders: orders.value };
  const before = signedBefore(memory, attempt);
  if (!before.ok) return before;
  const rival = checkReplacement(memory, attempt);
  if (rival !== undefined) return rival;
  if (before.value) return accept({ entry: undefined, transaction });
  const fresh = freshOf(orders.value, memory, nowMs);
  const more = feeBeyond(fee.value, orders.value, memory, { atMs: nowMs, own: true });
  const beyond =
    checkOrderLimits(rules.policy, memory.spending, { asset, ...fresh, nowMs }) ??
    checkTiers(rules.policy, memory.spending, { asset, fresh: fresh.tiers, nowMs }) ??
    checkFeeLimit(rules.policy, memory.spending, { network: place, fee: more, nowMs });
  if (beyond !== undefined) return beyond;
  const details = { epoch, outputs: transaction.outputs.length };
  return accept({ entry: payEntry({ ...attempt, asset, fee: fee.value, details }), transaction });
}

/** Signs every input with this signer's key (RFC 6979, low s), and checks each signature. Gives base64 PSBT. */
export function signBitcoin(
  request: { readonly inputs: readonly InputClaim[] },
  transaction: UnsignedTransaction,
  keys: BitcoinKeys,
): string {
  const digests = signatureDigests(transaction);
  const signatures = digests.map((digest, i) => {
    const claim = request.inputs[i];
    if (claim === undefined) throw new RangeError('an input without a claim passed the checks');
    const { privateKey, publicKey, publicPoint } = keys.keyAt(claim.branch, claim.index);
    const signature = secp256k1.sign(digest, privateKey, { prehash: false, lowS: true, format: 'der' });
    if (!secp256k1.verify(signature, digest, publicPoint, { prehash: false, lowS: true, format: 'der' })) {
      throw new VaultFault(
        'SIGNATURE_WRONG',
        'a fresh signature does not verify: faulty memory or processor',
      );
    }
    return { publicKey, signature };
  });
  return transaction.withSignatures(signatures);
}

/** Every input is ours: its script is what the pinned keys give at the claimed place. */
export function checkInputs(
  request: { readonly inputs: readonly InputClaim[] },
  { entry }: Pick<BitcoinRules, 'entry'>,
  wallet: BitcoinWallet,
  { inputs }: UnsignedTransaction,
): Refusal | undefined {
  if (inputs.length !== request.inputs.length) return refuse('CLAIMS_MISMATCH', `${inputs.length} inputs`);
  for (const [i, claim] of request.inputs.entries()) {
    if (claim.index > entry.indexMax) return refuse('INDEX_TOO_HIGH', `input ${i}`);
    const ours = wallet.scriptAt(claim.branch, claim.index);
    const input = inputs[i];
    if (
      input === undefined ||
      !same(input.script, ours.script) ||
      !same(input.witnessScript, ours.witnessScript)
    ) {
      return refuse('INPUT_NOT_OURS', `input ${i}`);
    }
  }
  return undefined;
}

/** Every output is an order's or our change, and every order has exactly one. */
function checkOutputs(
  request: BitcoinPay,
  { entry }: BitcoinRules,
  wallet: BitcoinWallet,
  { outputs }: UnsignedTransaction,
): Refusal | undefined {
  if (outputs.length !== request.outputs.length)
    return refuse('CLAIMS_MISMATCH', `${outputs.length} outputs`);
  const unpaid = new Map(request.orders.map((order) => [order.orderNumber, order]));
  for (const [i, claim] of request.outputs.entries()) {
    const output = outputs[i];
    if (output === undefined) return refuse('CLAIMS_MISMATCH', `output ${i}`);
    if ('change' in claim) {
      const bent = checkChange(output, { claim, entry, wallet, i });
      if (bent !== undefined) return bent;
      continue;
    }
    const order = unpaid.get(claim.order);
    if (order === undefined) {
      const known = request.orders.some((one) => one.orderNumber === claim.order);
      return refuse(known ? 'ORDER_PAID_TWICE' : 'ORDER_UNKNOWN', `output ${i}: order ${claim.order}`);
    }
    unpaid.delete(claim.order);
    const bent = checkPayment(order, output, entry, i);
    if (bent !== undefined) return bent;
  }
  const [left] = unpaid.keys();
  return left === undefined ? undefined : refuse('ORDER_NOT_PAID', `order ${left}`);
}

/** A change output is what the pinned keys give at the claimed index of branch 1, and no dust. */
export function checkChange(
  output: TransactionOutput,
  at: { claim: { change: number }; entry: ManifestBitcoin; wallet: BitcoinWallet; i: number },
): Refusal | undefined {
  const { claim, entry, wallet, i } = at;
  if (claim.change > entry.indexMax) return refuse('INDEX_TOO_HIGH', `output ${i}`);
  if (!same(output.script, wallet.scriptAt(1, claim.change).script))
    return refuse('CHANGE_NOT_OURS', `output ${i}`);
  return output.amount < P2WSH_DUST_LIMIT ? refuse('DUST', `output ${i}`) : undefined;
}

function checkPayment(
  order: Order,
  output: { script: Uint8Array; amount: bigint },
  { chain }: ManifestBitcoin,
  i: number,
): Refusal | undefined {
  const destination = bitcoinScript(order.destination, chain);
  if (destination === undefined) return refuse('ADDRESS_REFUSED', `order ${order.orderNumber}`);
  if (!same(output.script, destination.script) || output.amount !== order.amount) {
    return refuse('OUTPUT_DIFFERS', `output ${i}: order ${order.orderNumber}`);
  }
  return output.amount < destination.dustLimit ? refuse('DUST', `output ${i}`) : undefined;
}

/** Gives the fee in satoshi. What a child pays counts together with its parent: no package costs more than a payment may. */
export function checkFee(
  transaction: UnsignedTransaction,
  { entry, threshold }: Pick<BitcoinRules, 'entry' | 'threshold'>,
  parent = { fee: 0n, size: 0 },
): Decision<bigint> {
  const sum = (items: readonly { amount: bigint }[]): bigint =>
    items.reduce((total, item) => total + item.amount, 0n);
  const own = sum(transaction.inputs) - sum(transaction.outputs);
  if (own < 0n) return refuse('OUTPUTS_EXCEED_INPUTS', `by ${-own} sat`);
  const ownSize = virtualSize(transaction, threshold);
  if (ownSize === undefined) return refuse('TX_TOO_LARGE', `${transaction.inputs.length} inputs`);
  const [fee, size] = [own + parent.fee, ownSize + parent.size];
  if (fee > entry.feeMaxSat) return refuse('FEE_TOO_HIGH', `${fee} sat, at most ${entry.feeMaxSat}`);
  if (fee > BigInt(entry.feeRateMaxSatPerVb) * BigInt(size)) {
    return refuse(
      'FEE_RATE_TOO_HIGH',
      `${fee} sat for ${size} vB, at most ${entry.feeRateMaxSatPerVb} sat/vB`,
    );
  }
  return accept(own);
}

const same = (a: Uint8Array, b: Uint8Array): boolean => toHex(a) === toHex(b);
