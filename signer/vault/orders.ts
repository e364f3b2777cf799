/** What holds for the orders of any request: binding, expiry, and what was signed for them before. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import { encodeOrder, type Order } from '../protocol/order.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { orderList, attemptKey, type Memory, type SignedOrder } from './memory.ts';

export interface OrderRules {
  /** The network, on EVM with the vault; an order is never signed for two places. */
  readonly place: string;
  readonly epoch: number;
  /** CAIP-19 of the one asset that the request pays. */
  readonly asset: string;
  /** Unix ms by the own clock. */
  readonly nowMs: number;
  readonly amountMax: bigint;
}

/** Checks all orders of a request, and gives their numbers and digests. */
export function checkOrders(
  orders: readonly Order[],
  rules: OrderRules,
  memory: Memory,
): Decision<readonly SignedOrder[]> {
  const signed: SignedOrder[] = [];
  let before = -1n;
  for (const order of orders) {
    if (order.orderNumber <= before) return refuse('ORDERS_NOT_ASCENDING', `order ${order.orderNumber}`);
    before = order.orderNumber;
    const refusal = checkBinding(order, rules);
    if (refusal !== undefined) return refusal;
    const digest = toHex(sha256(encodeOrder(order)));
    const known = memory.orders.get(order.orderNumber);
    if (known !== undefined && known.digest !== digest) {
      return refuse('ORDER_CHANGED', `order ${order.orderNumber} was signed as ${known.digest}`);
    }
    if (known !== undefined && known.place !== rules.place) {
      return refuse('ORDER_ELSEWHERE', `order ${order.orderNumber} was signed for ${known.place}`);
    }
    signed.push({ number: order.orderNumber, digest });
  }
  return accept(signed);
}

/** Whether this very transaction was signed before for these very orders: then nothing new is decided. */
export function signedBefore(
  memory: Memory,
  attempt: { place: string; id: string; orders: readonly SignedOrder[] },
): Decision<boolean> {
  const known = memory.attempts.get(attemptKey(attempt.place, attempt.id));
  if (known === undefined) return accept(false);
  return known.orders === orderList(attempt.orders)
    ? accept(true)
    : refuse('ORDER_CHANGED', `${attempt.id} was signed for other orders`);
}

/**
 * A new transaction must spend a coin of every earlier one of each order, so that at most one of them confirms.
 * It holds whatever became of the earlier ones: only the chain could tell that one is dead, and reorgs revive.
 */
export function checkReplacement(
  memory: Memory,
  attempt: { id: string; inputs: readonly string[]; orders: readonly SignedOrder[] },
): Refusal | undefined {
  const spent = new Set(attempt.inputs);
  for (const { number } of attempt.orders) {
    for (const earlier of memory.orders.get(number)?.attempts ?? []) {
      if (earlier.id === attempt.id || earlier.inputs.some((input) => spent.has(input))) continue;
      return refuse('NOT_A_REPLACEMENT', `order ${number} was signed in ${earlier.id}, which shares no coin`);
    }
  }
  return undefined;
}

/** Amounts of the orders that this signer has not signed yet: an order counts once, not once for each attempt. */
export const freshAmounts = (orders: readonly Order[], memory: Memory): bigint[] =>
  orders.filter(({ orderNumber }) => !memory.orders.has(orderNumber)).map(({ amount }) => amount);

/** What a fee adds to the highest among earlier attempts for any of these orders: only one of them can confirm. */
export function feeBeyond(fee: bigint, orders: readonly SignedOrder[], memory: Memory): bigint {
  const earlier = orders.flatMap(({ number }) => memory.orders.get(number)?.attempts ?? []);
  const highest = earlier.reduce((most, attempt) => (attempt.fee > most ? attempt.fee : most), 0n);
  return fee > highest ? fee - highest : 0n;
}

function checkBinding(order: Order, rules: OrderRules): Refusal | undefined {
  const name = `order ${order.orderNumber}`;
  if (order.kind !== 'customer' && order.kind !== 'house')
    return refuse('KIND_REFUSED', `${name}: ${order.kind}`);
  const hasCustomer = order.customer.some((byte) => byte !== 0);
  if (hasCustomer !== (order.kind === 'customer')) return refuse('CUSTOMER_MISMATCH', name);
  if (order.epoch !== rules.epoch) return refuse('WRONG_EPOCH', `${name}: epoch ${order.epoch}`);
  if (order.asset !== rules.asset) return refuse('WRONG_ASSET', `${name}: not ${rules.asset}`);
  if (order.expiry * 1000n <= BigInt(rules.nowMs)) return refuse('EXPIRED', `${name}: at ${order.expiry}`);
  if (order.amount === 0n || order.amount > rules.amountMax) return refuse('AMOUNT_REFUSED', name);
  return undefined;
}
