/** What holds for the orders of any request: binding, expiry, and what was signed for them before. */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import { encodeOrder, type Order } from '../protocol/order.ts';
import { destinationOf } from './new-destinations.ts';
import { accept, ofOrder, refuse, type Decision, type Refusal } from './decision.ts';
import { attemptKey, orderList, type OrderTier, type SignedOrder } from './pay-entries.ts';
import { tierSpending, uncounted, type PaymentMemory, type TierSpent } from './payments.ts';

export interface OrderRules {
  /** The network, on EVM with the vault; an order is never signed for two places. */
  readonly place: string;
  readonly epoch: number;
  /** CAIP-19 of the one asset that the request pays. */
  readonly asset: string;
  /** Unix ms by the own clock. */
  readonly nowMs: number;
  readonly amountMax: bigint;
  /** For how long a destination is new, after a customer's credential has first paid there. */
  readonly holdSeconds: number;
  /** How far an order is backed, by its own digest. */
  readonly authorise: (order: Order, digest: Uint8Array) => Decision<OrderTier>;
  /** Base units that a customer (hex) has paid in and not taken out on that account. */
  readonly fundsOf: (customer: string, asset: string) => bigint;
}

/** Checks all orders of a request, and gives their numbers and digests. */
export function checkOrders(
  orders: readonly Order[],
  rules: OrderRules,
  memory: PaymentMemory,
): Decision<readonly SignedOrder[]> {
  const signed: SignedOrder[] = [];
  const backed = new Map<string, bigint>();
  let before = -1n;
  for (const order of orders) {
    if (order.orderNumber <= before) return refuse('ORDERS_NOT_ASCENDING', `order ${order.orderNumber}`);
    before = order.orderNumber;
    const refusal = checkBinding(order, rules);
    if (refusal !== undefined) return ofOrder(refusal, order.orderNumber);
    const hash = sha256(encodeOrder(order));
    const digest = toHex(hash);
    const known = memory.orders.get(order.orderNumber);
    if (known !== undefined && known.digest !== digest) {
      return refuse('ORDER_CHANGED', `order ${order.orderNumber} was signed as ${known.digest}`);
    }
    if (known !== undefined && known.place !== rules.place) {
      return refuse('ORDER_ELSEWHERE', `order ${order.orderNumber} was signed for ${known.place}`);
    }
    // What was signed once stays authorised: a replacement asks nobody again.
    const tier = known?.isOwn === true ? accept(known.tier) : rules.authorise(order, hash);
    if (!tier.ok) return ofOrder(tier, order.orderNumber);
    const { orderNumber: number, amount, asset } = order;
    const customer = toHex(order.customer);
    const funds = backed.get(customer) ?? rules.fundsOf(customer, asset);
    const isBacked = known?.isOwn !== true && tier.value === 'unfunded' && amount <= funds;
    if (isBacked) backed.set(customer, funds - amount);
    const one = { number, digest, asset, amount, customer, tier: isBacked ? 'funded' : tier.value } as const;
    const to = known?.isOwn === true ? known.to : destinationOf(one, order.destination, rules, memory);
    signed.push({ ...one, to });
  }
  return accept(signed);
}

/** Whether this signer has signed this very transaction before for these very orders: then nothing new is decided. */
export function signedBefore(
  memory: PaymentMemory,
  attempt: { place: string; id: string; orders: readonly SignedOrder[] },
): Decision<boolean> {
  const key = attemptKey(attempt.place, attempt.id);
  const known = memory.attempts.get(key);
  if (known === undefined) return accept(false);
  return known.orders === orderList(attempt.orders)
    ? accept(memory.own.has(key))
    : refuse('ORDER_CHANGED', `${attempt.id} was signed for other orders`);
}

/**
 * A new transaction must spend a coin of every earlier one of each order, so that at most one of them confirms.
 * It holds whatever became of the earlier ones: only the chain could tell that one is dead, and reorgs revive.
 */
export function checkReplacement(
  memory: PaymentMemory,
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

interface Fresh {
  readonly amounts: readonly bigint[];
  readonly value: bigint;
  readonly count: number;
  readonly tiers: readonly TierSpent[];
}

/**
 * What is new of these orders: their amounts where this signer has not signed them yet, whatever its peers say; and what
 * windows do not hold yet, an order once, whoever signed it and in how many transactions.
 */
export function freshOf(orders: readonly SignedOrder[], memory: PaymentMemory, nowMs: number): Fresh {
  const tiers = tierSpending(orders, memory, { atMs: nowMs, own: true });
  const fresh = { amounts: [] as bigint[], value: 0n, count: 0, tiers };
  for (const order of orders) {
    if (memory.orders.get(order.number)?.isOwn !== true) fresh.amounts.push(order.amount);
    const more = uncounted(order, memory, { atMs: nowMs, own: true });
    if (more > 0n) fresh.count += 1;
    fresh.value += more;
  }
  return fresh;
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
