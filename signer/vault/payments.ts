/** Which payments were signed: by this signer, and by its peers as far as their journals have come here. */
import { MalformedError } from '../protocol/canonical.ts';
import { rememberEvacuation, type EvacuationMemory } from './evacuations.ts';
import { COUNTED_ONCE_MS, type Journalled } from './counting.ts';
import { newDestinationKeys, rememberSights } from './new-destinations.ts';
import { emptySpending, forgetSpent, rememberSpent, type Spending, type Spent } from './limits.ts';
import {
  attemptKey,
  spendingKinds,
  type Attempt,
  type Child,
  type OrderDestination,
  type OrderTier,
  type Pay,
  type SignedOrder,
  type SpendingKind,
} from './pay-entries.ts';

/** Unix milliseconds of its first entry, a peer's or the own. */
type KnownAttempt = Attempt & { readonly atMs: number };

export interface OrderMemory {
  readonly digest: string;
  /** The network, on EVM with the vault: where the order may be paid. */
  readonly place: string;
  readonly attempts: readonly KnownAttempt[];
  /** Under which names the windows hold it: a peer may have named others than the order's. */
  readonly asset: string;
  readonly customer: string;
  /** Base units that the windows hold for it, and since when. A peer may have named too little, or a wrong time. */
  readonly counted: bigint;
  readonly countedAtMs: number;
  /** By whoever told of it first, or by the own checks. */
  readonly tier: OrderTier;
  /** Where a credential pays, likewise. */
  readonly to: OrderDestination | undefined;
  /** This signer has journalled it itself, after its own checks. */
  readonly isOwn: boolean;
}

/** Children that were signed for one parent: all spend the same output, so at most one of them confirms. */
export interface ChildMemory {
  /** The parent's output, `txid:vout`. */
  readonly spends: string;
  readonly ids: ReadonlySet<string>;
  /** Satoshi: the highest of theirs. */
  readonly fee: bigint;
  /** Unix milliseconds: when the windows took the first of them. */
  readonly atMs: number;
  /** One of them is in the own journal. */
  readonly isOwn: boolean;
}

export interface PaymentMemory {
  readonly spending: Spending;
  readonly orders: Map<bigint, OrderMemory>;
  /** All attempts for orders, by place and id. */
  readonly attempts: Map<string, Attempt>;
  /** By place and id of the parent. */
  readonly children: Map<string, ChildMemory>;
  /** By place and coins. */
  readonly evacuations: Map<string, EvacuationMemory>;
  /** Since when customers' credentials pay where, Unix ms, by this signer's own journal; see new-destinations. */
  readonly sights: Map<string, number>;
  /** Attempts and children in this signer's own journal, with the number of their entry. */
  readonly own: Map<string, bigint>;
  /** Takes the last entry out of memory again, if it was an own payment: peers refused it, and nothing was signed. */
  undo: (() => void) | undefined;
}

/** What an order adds to the windows of its tier. */
export interface TierSpent {
  /** Of the order. */
  readonly number: bigint;
  readonly customer: string;
  readonly tier: OrderTier;
  /** Base units. */
  readonly value: bigint;
  /** Base units that go to a new destination. */
  readonly toNew: bigint;
}

/** Names of the windows that an order counts in: its customer's in the tier, and everybody's. */
export const tierKeys = (
  asset: string,
  { customer, tier }: Pick<SignedOrder, 'customer' | 'tier'>,
): { readonly customer: string; readonly all: string } => ({
  customer: `${asset} ${tier} ${customer}`,
  all: `${asset} ${tier}`,
});

export const emptyPayments = (): PaymentMemory => ({
  spending: emptySpending(),
  orders: new Map(),
  attempts: new Map(),
  children: new Map(),
  evacuations: new Map(),
  sights: new Map(),
  own: new Map(),
  undo: undefined,
});

/**
 * What a fee adds to the highest among earlier attempts for any of these orders: only one of them can confirm. What a
 * peer told of long ago is in no window any more: whoever signs it now counts it now.
 */
export function feeBeyond(
  fee: bigint,
  orders: readonly Pick<SignedOrder, 'number'>[],
  memory: PaymentMemory,
  { atMs, own }: Counting,
): bigint {
  const earlier = orders.flatMap(({ number }) => {
    const { place = '', attempts = [] } = memory.orders.get(number) ?? {};
    return attempts.filter(
      ({ id, atMs: toldMs }) =>
        own === undefined || toldMs >= atMs - COUNTED_ONCE_MS || memory.own.has(attemptKey(place, id)),
    );
  });
  const highest = earlier.reduce((most, attempt) => (attempt.fee > most ? attempt.fee : most), 0n);
  return fee > highest ? fee - highest : 0n;
}

/** Takes an entry that spends into memory, whose body its reader has to take. Throws MalformedError. */
export function rememberSpend(
  memory: PaymentMemory,
  kind: SpendingKind,
  body: unknown,
  at: Journalled,
): void {
  if (kind === 'bitcoin-child') rememberChild(memory, spendingKinds[kind](body), at);
  else if (kind === 'bitcoin-evacuate') rememberEvacuation(memory, spendingKinds[kind](body), at);
  else rememberPay(memory, spendingKinds[kind](body), at);
}

/** Of an order windows hold its amount once, whoever signed it and in how many transactions. */
function rememberPay(memory: PaymentMemory, pay: Pay, at: Journalled): void {
  const { place, attempt, orders } = pay;
  const spent = spentBy(pay, memory, at);
  const key = attemptKey(place, attempt.id);
  const before = orders.map(({ number }) => [number, memory.orders.get(number)] as const);
  const wasKnown = memory.attempts.has(key);
  for (const order of orders) {
    const more = uncounted(order, memory, at);
    const { attempts, ...known } = memory.orders.get(order.number) ?? orderMemory(order, place);
    const counts = known.digest === order.digest && more > 0n;
    memory.orders.set(order.number, {
      ...known,
      ...(counts ? { ...countedAs(order), counted: order.amount, countedAtMs: at.atMs } : {}),
      attempts: attempts.some(({ id }) => id === attempt.id)
        ? attempts
        : [...attempts, { ...attempt, atMs: at.atMs }],
      tier: at.own === undefined ? known.tier : order.tier,
      to: at.own === undefined ? known.to : order.to,
      isOwn: known.isOwn || at.own !== undefined,
    });
  }
  rememberSpent(memory.spending, spent, at.atMs);
  if (!wasKnown) memory.attempts.set(key, attempt);
  if (at.own === undefined) return;
  memory.own.set(key, at.own);
  const seen = rememberSights(memory.sights, pay, at.atMs);
  memory.undo = () => {
    for (const [number, known] of before) {
      if (known === undefined) memory.orders.delete(number);
      else memory.orders.set(number, known);
    }
    if (!wasKnown) memory.attempts.delete(key);
    memory.own.delete(key);
    for (const sight of seen) memory.sights.delete(sight);
    forgetSpent(memory.spending, spent, at.atMs);
  };
}

/** What a transaction for orders adds to the windows. */
export function spentBy({ place, asset, attempt, orders }: Pay, memory: PaymentMemory, at: Counting): Spent {
  const fresh = orders.map((order) => uncounted(order, memory, at)).filter((more) => more > 0n);
  const tiers = tierSpending(orders, memory, at).flatMap((part) => {
    const keys = tierKeys(asset, part);
    const fresh = newDestinationKeys(asset, part.customer);
    return [
      ...[keys.customer, keys.all].map((key) => ({ key, value: part.value })),
      ...[fresh.customer, fresh.all].map((key) => ({ key, value: part.toNew })),
    ].filter(({ value }) => value > 0n);
  });
  return {
    network: networkOf(place),
    asset,
    tiers,
    value: fresh.reduce((sum, more) => sum + more, 0n),
    count: fresh.length,
    fee: feeBeyond(attempt.fee, orders, memory, at),
  };
}

/** What orders add to the windows of their tiers: all of one that a peer told in another tier. */
export function tierSpending(
  orders: readonly SignedOrder[],
  memory: PaymentMemory,
  at: Counting,
): readonly TierSpent[] {
  return orders.flatMap((order) => {
    const { number, amount, customer, tier, to } = order;
    const known = memory.orders.get(number);
    const more = (isMoved: boolean): bigint =>
      at.own !== undefined && isMoved ? amount : uncounted(order, memory, at);
    const value = more(known?.tier !== tier);
    const toNew = to?.isNew === true ? more(known?.to?.isNew !== true) : 0n;
    return value + toNew === 0n ? [] : [{ number, customer, tier, value, toNew }];
  });
}

/** When an order is counted, and whether as one that this signer signs itself. */
type Counting = { readonly atMs: number; readonly own: unknown };

/** A place begins with its network, whatever asset a peer names. */
const networkOf = (place: string): string => place.split(' ')[0] ?? place;

const countedAs = ({ asset, customer }: SignedOrder): { asset: string; customer: string } => ({
  asset,
  customer,
});

const orderMemory = (order: SignedOrder, place: string): OrderMemory => ({
  ...countedAs(order),
  digest: order.digest,
  tier: order.tier,
  to: order.to,
  place,
  attempts: [],
  counted: 0n,
  countedAtMs: 0,
  isOwn: false,
});

/** Base units of an order that windows do not hold yet. */
export function uncounted(
  { number, digest, amount, asset, customer }: Omit<SignedOrder, 'tier'>,
  memory: PaymentMemory,
  { atMs, own }: Counting,
): bigint {
  const known = memory.orders.get(number);
  if (known === undefined) return amount;
  // A peer's entry that gives a known number another content is refused elsewhere; its value counts beside the first.
  if (known.digest !== digest) return amount;
  // Under another asset or customer it stands in windows that do not bound this one.
  if (known.asset !== asset || known.customer !== customer) return amount;
  const isOld = known.countedAtMs < atMs - COUNTED_ONCE_MS;
  if (own !== undefined && !known.isOwn && isOld) return amount;
  return amount > known.counted ? amount - known.counted : 0n;
}

function rememberChild(memory: PaymentMemory, child: Child, { atMs, own }: Journalled): void {
  const { place, id, spends, fee } = child;
  const parent = parentOf(child);
  const before = memory.children.get(parent);
  const fits = memory.attempts.has(parent) && (before === undefined || before.spends === spends);
  if (own !== undefined && !fits)
    throw new MalformedError('a child without its parent, or beside another child');
  const spent = spentByChild(child, memory, { atMs, own });
  if (spent.fee > 0n) rememberSpent(memory.spending, spent, atMs);
  if (!fits) return;
  const ids = new Set([...(before?.ids ?? []), id]);
  const isFresh = before === undefined || spent.fee === fee;
  memory.children.set(parent, {
    spends,
    ids,
    fee: isFresh || fee > before.fee ? fee : before.fee,
    atMs: isFresh ? atMs : before.atMs,
    isOwn: own !== undefined || (before?.isOwn ?? false),
  });
  if (own === undefined) return;
  memory.own.set(attemptKey(place, id), own);
  memory.undo = () => {
    if (before === undefined) memory.children.delete(parent);
    else memory.children.set(parent, before);
    memory.own.delete(attemptKey(place, id));
    forgetSpent(memory.spending, spent, atMs);
  };
}

const parentOf = ({ place, spends }: Pick<Child, 'place' | 'spends'>): string =>
  attemptKey(place, spends.slice(0, spends.indexOf(':')));

/**
 * What a child adds to the windows of fees. A peer's child beside another one: both may confirm, so both fees count.
 * What a peer told of long ago is in no window any more: whoever signs it now counts it now.
 */
export function spentByChild(
  child: Pick<Child, 'place' | 'asset' | 'spends' | 'fee'>,
  { children }: PaymentMemory,
  { atMs, own }: Counting,
): Spent {
  const { place, asset, spends, fee } = child;
  const known = children.get(parentOf(child));
  const isOld = own !== undefined && known?.isOwn === false && known.atMs < atMs - COUNTED_ONCE_MS;
  const more = known?.spends === spends && !isOld ? fee - known.fee : fee;
  return { network: networkOf(place), asset, value: 0n, count: 0, fee: more > 0n ? more : 0n, tiers: [] };
}
