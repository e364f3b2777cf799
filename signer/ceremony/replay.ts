/**
 * Past orders under another policy, by the rules that a vault goes by. Nothing is signed or journalled: memory is a
 * vault's, but it holds what the other policy would have let through.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { toHex } from '../protocol/canonical.ts';
import { encodeOrder, readOrder } from '../protocol/order.ts';
import type { Policy } from '../protocol/policy.ts';
import type { RefusalCode } from '../protocol/refusals.ts';
import { fundsOf } from '../vault/paid-in.ts';
import { emptyMemory, remember, type Memory } from '../vault/memory.ts';
import { destinationOf, newDestinationKeys } from '../vault/new-destinations.ts';
import { checkFeeLimit, checkNamed, checkOrderLimits, spentWithin } from '../vault/limits.ts';
import { freshOf } from '../vault/orders.ts';
import { attemptKey, payEntry, spendingKinds, type Pay, type SignedOrder } from '../vault/pay-entries.ts';
import { feeBeyond, rememberSpend, spentByChild, tierKeys } from '../vault/payments.ts';
import type { Refusal } from '../vault/decision.ts';
import { isLimitCode } from '../vault/refusal-log.ts';
import { checkTiers } from '../vault/tiers.ts';

/** One entry of a signer's journal, whose place in the chain was checked. */
export interface ReplayEntry {
  readonly kind: string;
  /** As JSON gave it. */
  readonly body: unknown;
  /** Unix milliseconds by that signer's clock. */
  readonly atMs: number;
  readonly sequence: bigint;
  /** Of the one signer whose word counts for what is no payment: customers' credentials, and what they paid in. */
  readonly isReference: boolean;
}

export interface ReplayedOrder {
  readonly number: string;
  readonly asset: string;
  readonly amount: bigint;
  readonly customer: string;
  readonly atMs: number;
  /** What became of it: nothing for one that was signed. */
  readonly was: RefusalCode | undefined;
  /** What would have at first: nothing for one that would have been signed. */
  readonly code: RefusalCode | undefined;
  readonly detail: string;
  /** It would have been signed when it was asked for again. */
  readonly later: boolean;
}

/** The fullest that a window ever was. */
export interface WindowPeak {
  readonly window: string;
  readonly of: string;
  readonly seconds: number;
  readonly used: bigint;
  readonly max: bigint;
  readonly atMs: number;
}

export interface ReplayResult {
  readonly orders: number;
  /** Signed then, refused now. */
  readonly refused: readonly ReplayedOrder[];
  /** Refused then, signed now. */
  readonly passing: readonly ReplayedOrder[];
  /** Refused then and now. */
  readonly still: readonly ReplayedOrder[];
  readonly children: number;
  readonly refusedChildren: number;
  readonly peaks: readonly WindowPeak[];
  /** Refusals by other rules than the policy's, which stay: how many of each code. */
  readonly otherRefusals: Readonly<Record<string, number>>;
  /** Refusals by the policy whose orders no journal names. */
  readonly unnamedRefusals: number;
}

export interface Replay {
  /** In the order of time. Throws MalformedError for an entry that a vault would not take. */
  take(entry: ReplayEntry): void;
  result(): ReplayResult;
}

interface State {
  readonly policy: Policy;
  readonly fromMs: number;
  readonly memory: Memory;
  readonly seen: Set<string>;
  readonly orders: Map<bigint, ReplayedOrder>;
  readonly peaks: Map<string, WindowPeak>;
  readonly others: Map<string, number>;
  unnamed: number;
  children: number;
  refusedChildren: number;
}

/** What is older than `fromMs` fills windows and is not counted. */
export function openReplay(policy: Policy, fromMs: number): Replay {
  const state: State = {
    policy,
    fromMs,
    memory: emptyMemory(),
    seen: new Set(),
    orders: new Map(),
    peaks: new Map(),
    others: new Map(),
    unnamed: 0,
    children: 0,
    refusedChildren: 0,
  };
  return {
    take: (entry) => take(state, entry),
    result: () => {
      const all = [...state.orders.values()];
      return {
        orders: all.length,
        refused: all.filter(({ was, code }) => was === undefined && code !== undefined),
        passing: all.filter(({ was, code, later }) => was !== undefined && (code === undefined || later)),
        still: all.filter(({ was, code, later }) => was !== undefined && code !== undefined && !later),
        children: state.children,
        refusedChildren: state.refusedChildren,
        peaks: [...state.peaks.values()],
        otherRefusals: Object.fromEntries(state.others),
        unnamedRefusals: state.unnamed,
      };
    },
  };
}

function take(state: State, { kind, body, atMs, sequence, isReference }: ReplayEntry): void {
  if (kind === 'bitcoin-child') takeChild(state, body, atMs);
  else if (kind === 'bitcoin-pay' || kind === 'evm-pay')
    takePay(state, kind, spendingKinds[kind](body), atMs);
  else if (kind === 'refusal') takeRefusal(state, body, atMs);
  // A peer's word for its payments is in its own journal; policies and freezes are not what is asked.
  else if (isReference && ['enrolment', 'certify', 'deposits'].includes(kind))
    remember(state.memory, kind, body, { atMs, sequence });
}

function takePay(
  state: State,
  kind: 'bitcoin-pay' | 'evm-pay',
  pay: Pay,
  atMs: number,
  was?: RefusalCode,
): void {
  const { memory, policy, seen } = state;
  const { place, asset, attempt } = pay;
  const key = attemptKey(place, attempt.id);
  if (seen.has(key)) return;
  seen.add(key);
  const backed = new Map<string, bigint>();
  let accepted: SignedOrder[] = [];
  for (const order of pay.orders) {
    const known = memory.orders.get(order.number);
    const one =
      known?.isOwn === true
        ? { ...order, tier: known.tier, to: known.to }
        : judged(state, order, { place, atMs, backed });
    const refusal = refusalOf(state, [...accepted, one], { asset, atMs });
    if (refusal === undefined) accepted.push(one);
    else note(state, one, { atMs, was, refusal });
  }
  const more = feeBeyond(attempt.fee, accepted, memory, { atMs, own: true });
  const fees =
    kind === 'bitcoin-pay' && more > 0n
      ? checkFeeLimit(policy, memory.spending, { network: place, fee: more, nowMs: atMs })
      : undefined;
  if (fees !== undefined) {
    for (const one of accepted)
      if (memory.orders.get(one.number)?.isOwn !== true) note(state, one, { atMs, was, refusal: fees });
    accepted = [];
  }
  if (accepted.length === 0) return;
  const entry = payEntry({
    place,
    id: attempt.id,
    asset,
    inputs: attempt.inputs,
    orders: accepted,
    fee: attempt.fee,
    details: {},
  });
  for (const one of accepted) note(state, one, { atMs, was, refusal: undefined });
  rememberSpend(memory, kind, entry, { atMs, own: 1n });
  measure(state, { place, asset, orders: accepted, atMs });
}

/** As this policy would see it: backed by what was paid in, and whether its destination is new. */
function judged(
  { memory, policy }: State,
  order: SignedOrder,
  { place, atMs, backed }: { place: string; atMs: number; backed: Map<string, bigint> },
): SignedOrder {
  const { customer, asset, amount } = order;
  if (order.tier !== 'unfunded' && order.tier !== 'funded') return order;
  const { paidIn, spending } = memory;
  const funds = backed.get(customer) ?? fundsOf(customer, asset, { paidIn, spending, policy, nowMs: atMs });
  const isBacked = amount <= funds;
  if (isBacked) backed.set(customer, funds - amount);
  const one = { ...order, tier: isBacked ? ('funded' as const) : ('unfunded' as const) };
  const rules = { place, holdSeconds: policy.credentialHoldSeconds, nowMs: atMs };
  return order.to === undefined ? one : { ...one, to: destinationOf(one, order.to.address, rules, memory) };
}

/** Of the last of these, when the ones before it pass. */
function refusalOf(
  { policy, memory }: State,
  orders: readonly SignedOrder[],
  { asset, atMs: nowMs }: { asset: string; atMs: number },
): Refusal | undefined {
  const fresh = freshOf(orders, memory, nowMs);
  if (fresh.amounts.length === 0) return undefined;
  return (
    checkOrderLimits(policy, memory.spending, { asset, ...fresh, nowMs }) ??
    checkTiers(policy, memory.spending, { asset, fresh: fresh.tiers, nowMs })
  );
}

function note(
  { orders, fromMs }: State,
  { number, asset, amount, customer }: SignedOrder,
  now: { atMs: number; was: RefusalCode | undefined; refusal: Refusal | undefined },
): void {
  const { atMs, was, refusal } = now;
  if (atMs < fromMs) return;
  const known = orders.get(number);
  if (known === undefined) {
    const said = { code: refusal?.code, detail: refusal?.detail ?? '' };
    orders.set(number, {
      number: number.toString(),
      asset,
      amount,
      customer,
      atMs,
      was,
      ...said,
      later: false,
    });
    return;
  }
  const later = known.later || (known.code !== undefined && refusal === undefined);
  // What was refused at first and signed in the end was only late.
  orders.set(number, { ...known, was: was === undefined ? undefined : known.was, later });
}

function takeChild(state: State, body: unknown, atMs: number): void {
  const { memory, policy, seen, fromMs } = state;
  const child = spendingKinds['bitcoin-child'](body);
  const { place, id, spends, asset } = child;
  const key = attemptKey(place, id);
  // Of a payment that would not have been made there is no child.
  const parent = attemptKey(place, spends.slice(0, spends.indexOf(':')));
  if (seen.has(key) || !memory.attempts.has(parent)) return;
  seen.add(key);
  const { fee } = spentByChild(child, memory, { atMs, own: true });
  const refusal =
    checkNamed(policy, asset) ?? checkFeeLimit(policy, memory.spending, { network: place, fee, nowMs: atMs });
  if (atMs >= fromMs) state.children += 1;
  if (refusal !== undefined) {
    if (atMs >= fromMs) state.refusedChildren += 1;
    return;
  }
  rememberSpend(memory, 'bitcoin-child', body, { atMs, own: 1n });
  measure(state, { place, asset, orders: [], atMs });
}

interface RefusalBody {
  readonly code: RefusalCode;
  readonly leftOut: number;
  readonly asked?: {
    readonly type: 'bitcoin-pay' | 'evm-pay';
    readonly place: string;
    readonly orders: readonly unknown[];
  };
}

function takeRefusal(state: State, body: unknown, atMs: number): void {
  const { code, leftOut, asked } = body as RefusalBody;
  const isCounted = atMs >= state.fromMs;
  if (isCounted) state.unnamed += leftOut;
  if (!isLimitCode(code)) {
    if (isCounted) state.others.set(code, (state.others.get(code) ?? 0) + 1);
    return;
  }
  if (asked === undefined || asked.orders.length === 0) {
    if (isCounted) state.unnamed += 1;
    return;
  }
  for (const value of asked.orders) {
    const order = readOrder(value, 'order');
    const digest = toHex(sha256(encodeOrder(order)));
    const one = pastOrder(state, order, { digest, atMs });
    if (state.memory.orders.get(order.orderNumber)?.isOwn === true) continue;
    // No transaction was signed for it: its own digest stands for one, at this very moment.
    const attempt = {
      id: toHex(sha256(new TextEncoder().encode(`${digest} ${atMs}`))),
      inputs: [],
      orders: '',
      fee: 0n,
    };
    takePay(
      state,
      asked.type,
      { place: asked.place, asset: order.asset, attempt, orders: [one] },
      atMs,
      code,
    );
  }
}

/** Which tier it would have been of: an order that its customer's credentials had to sign was signed by one. */
function pastOrder(
  { memory }: State,
  order: ReturnType<typeof readOrder>,
  { digest, atMs }: { digest: string; atMs: number },
): SignedOrder {
  const { orderNumber: number, asset, amount, destination: address } = order;
  const customer = toHex(order.customer);
  const credentials = memory.customers.get(customer) ?? [];
  const hasSigned = credentials.some(({ usableFromMs, endsAtMs }) => usableFromMs <= atMs && endsAtMs > atMs);
  const tier = order.kind === 'house' ? 'house' : hasSigned ? 'unfunded' : 'unproven';
  const to = tier === 'unfunded' ? { address, isNew: true } : undefined;
  return { number, digest, asset, amount, customer, tier, to };
}

function measure(
  { policy, memory, peaks, fromMs }: State,
  at: { place: string; asset: string; orders: readonly SignedOrder[]; atMs: number },
): void {
  const { place, asset, orders, atMs } = at;
  if (atMs < fromMs) return;
  const { spending } = memory;
  const put = (peak: Omit<WindowPeak, 'atMs'>): void => {
    const key = `${peak.window} ${peak.of} ${peak.seconds}`;
    const before = peaks.get(key);
    if (before === undefined || peak.used > before.used) peaks.set(key, { ...peak, atMs });
  };
  for (const { seconds, valueMax, countMax } of policy.assets.find((rule) => rule.asset === asset)?.windows ??
    []) {
    const { value, count } = spentWithin(spending.orders.get(asset), { seconds, nowMs: atMs });
    put({ window: 'value', of: asset, seconds, used: value, max: valueMax });
    put({ window: 'orders', of: asset, seconds, used: BigInt(count), max: BigInt(countMax) });
  }
  for (const { network, seconds, feeMax } of policy.fees) {
    if (network !== place) continue;
    const { value } = spentWithin(spending.fees.get(network), { seconds, nowMs: atMs });
    put({ window: 'fees', of: network, seconds, used: value, max: feeMax });
  }
  for (const { customer, tier } of orders) {
    const rules = [
      [
        policy.tiers.find((rule) => rule.asset === asset && rule.tier === tier),
        tierKeys(asset, { customer, tier }),
        tier,
      ],
      [
        policy.newDestinations.find((rule) => rule.asset === asset),
        newDestinationKeys(asset, customer),
        'new destinations',
      ],
    ] as const;
    for (const [rule, keys, name] of rules) {
      if (rule === undefined) continue;
      const { seconds, customerMax, allMax } = rule;
      const spent = (key: string): bigint =>
        spentWithin(spending.tiers.get(key), { seconds, nowMs: atMs }).value;
      put({
        window: `${name}, one customer`,
        of: asset,
        seconds,
        used: spent(keys.customer),
        max: customerMax,
      });
      put({ window: `${name}, all`, of: asset, seconds, used: spent(keys.all), max: allMax });
    }
  }
}
