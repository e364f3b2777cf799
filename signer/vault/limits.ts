/** Limits of the policy, counted from this signer's own journal: an order once, whatever number of attempts it takes. */
import type { Policy } from '../protocol/policy.ts';
import { refuse, type Refusal } from './decision.ts';

/** Running totals in the order of time: what a span holds is the difference of two of them. */
export interface Totals {
  readonly atMs: number[];
  readonly value: bigint[];
  readonly count: number[];
}

export interface Spending {
  /** By asset: what orders pay. */
  readonly orders: Map<string, Totals>;
  /** By network: satoshi of fees. */
  readonly fees: Map<string, Totals>;
  /** By asset and tier, and by customer with it: what customers' orders pay. */
  readonly tiers: Map<string, Totals>;
}

export const emptySpending = (): Spending => ({
  orders: new Map(),
  fees: new Map(),
  tiers: new Map(),
});

/** What a decision adds, at the time of its journal entry. */
export interface Spent {
  /** CAIP-2, of the fee. */
  readonly network: string;
  readonly asset: string;
  /** Base units of the orders that this signer had not signed before. */
  readonly value: bigint;
  readonly count: number;
  /** Satoshi above what earlier attempts for these orders could have cost already. */
  readonly fee: bigint;
  /** The part of each window of a tier. */
  readonly tiers: readonly { readonly key: string; readonly value: bigint }[];
}

export function rememberSpent(
  { orders, fees, tiers }: Spending,
  { network, asset, value, count, fee, tiers: parts }: Spent,
  atMs: number,
): void {
  for (const part of parts) addTotal(tiers, part.key, { atMs, value: part.value, count: 1 });
  if (count > 0) addTotal(orders, asset, { atMs, value, count });
  if (fee > 0n) addTotal(fees, network, { atMs, value: fee, count: 1 });
}

/** What a request asks for, in base units. */
export interface Asked {
  readonly asset: string;
  /** Of each order that this signer has not signed yet. */
  readonly amounts: readonly bigint[];
  /** What no window holds yet, and of how many orders. */
  readonly value: bigint;
  readonly count: number;
  readonly nowMs: number;
}

/** Takes out again what was remembered for that time. */
export function forgetSpent({ orders, fees, tiers }: Spending, spent: Spent, atMs: number): void {
  const { network, asset, value, count, fee } = spent;
  for (const part of spent.tiers) addTotal(tiers, part.key, { atMs, value: -part.value, count: -1 });
  if (count > 0) addTotal(orders, asset, { atMs, value: -value, count: -count });
  if (fee > 0n) addTotal(fees, network, { atMs, value: -fee, count: -1 });
}

/** NOT_IN_POLICY for an asset that the policy does not name: whoever took it out stopped all that moves it. */
export const checkNamed = ({ assets }: Policy, asset: string): Refusal | undefined =>
  assets.some((candidate) => candidate.asset === asset) ? undefined : refuse('NOT_IN_POLICY', asset);

/** Refuses what the policy does not allow: an asset without a rule, an order too large, a window too full. */
export function checkOrderLimits(policy: Policy, { orders }: Spending, payment: Asked): Refusal | undefined {
  const { asset, amounts, value, count, nowMs } = payment;
  const rule = policy.assets.find((candidate) => candidate.asset === asset);
  if (rule === undefined) return refuse('NOT_IN_POLICY', asset);
  const large = amounts.find((amount) => amount > rule.orderMax);
  if (large !== undefined) return refuse('ORDER_TOO_LARGE', `${large}, at most ${rule.orderMax}`);
  const approvals = policy.approvals.filter((candidate) => candidate.asset === asset);
  const weighty = approvals.find(({ from }) => amounts.some((amount) => amount >= from));
  if (weighty !== undefined) return refuse('APPROVALS_MISSING', `from ${weighty.from}: ${weighty.operators}`);
  for (const { seconds, valueMax, countMax } of rule.windows) {
    const spent = spentWithin(orders.get(asset), { seconds, nowMs });
    if (spent.value + value > valueMax)
      return refuse('WINDOW_VALUE', `${spent.value} of ${valueMax} in ${seconds} s are spent`);
    if (spent.count + count > countMax)
      return refuse('WINDOW_COUNT', `${spent.count} of ${countMax} orders in ${seconds} s are signed`);
  }
  return undefined;
}

/** The same for a Bitcoin transaction's fee. */
export function checkFeeLimit(
  policy: Policy,
  { fees }: Spending,
  { network, fee, nowMs }: { readonly network: string; readonly fee: bigint; readonly nowMs: number },
): Refusal | undefined {
  const rule = policy.fees.find((candidate) => candidate.network === network);
  if (rule === undefined) return refuse('NOT_IN_POLICY', `fees on ${network}`);
  const spent = spentWithin(fees.get(network), { seconds: rule.seconds, nowMs });
  return spent.value + fee > rule.feeMax
    ? refuse('WINDOW_FEES', `${spent.value} of ${rule.feeMax} sat in ${rule.seconds} s are spent`)
    : undefined;
}

/** Totals stay in the order of time: what a peer did a while ago goes in where it belongs. */
export function addTotal(
  all: Map<string, Totals>,
  key: string,
  { atMs, value, count }: { atMs: number; value: bigint; count: number },
): void {
  const totals = all.get(key) ?? { atMs: [], value: [], count: [] };
  all.set(key, totals);
  const place = firstAfter(totals.atMs, atMs);
  totals.atMs.splice(place, 0, atMs);
  totals.value.splice(place, 0, totals.value[place - 1] ?? 0n);
  totals.count.splice(place, 0, totals.count[place - 1] ?? 0);
  for (let later = place; later < totals.atMs.length; later += 1) {
    totals.value[later] = (totals.value[later] ?? 0n) + value;
    totals.count[later] = (totals.count[later] ?? 0) + count;
  }
}

/** What happened later than `seconds` ago. */
export function spentWithin(
  totals: Totals | undefined,
  { seconds, nowMs }: { seconds: number; nowMs: number },
): { value: bigint; count: number } {
  if (totals === undefined) return { value: 0n, count: 0 };
  const before = firstAfter(totals.atMs, nowMs - seconds * 1000) - 1;
  return {
    value: (totals.value.at(-1) ?? 0n) - (totals.value[before] ?? 0n),
    count: (totals.count.at(-1) ?? 0) - (totals.count[before] ?? 0),
  };
}

/** Index of the first time after t; the length when there is none. */
function firstAfter(ascending: readonly number[], t: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) > t) high = middle;
    else low = middle + 1;
  }
  return low;
}
