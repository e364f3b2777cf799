/** Tiers of the policy: what customers' orders may come to, by how far they are backed. */
import type { Policy } from '../protocol/policy.ts';
import { ofOrder, refuse, type Refusal } from './decision.ts';
import { checkNewDestinations, newDestinationKeys } from './new-destinations.ts';
import { spentWithin, type Spending } from './limits.ts';
import type { SignedOrder } from './pay-entries.ts';
import { tierKeys, type TierSpent } from './payments.ts';

/** Refuses where windows that hold these orders already are over: what peers told came to more than fits. */
export function checkHeldTiers(
  policy: Policy,
  { tiers }: Spending,
  held: {
    readonly asset: string;
    readonly orders: readonly Pick<SignedOrder, 'number' | 'customer' | 'tier' | 'to'>[];
    readonly nowMs: number;
  },
): Refusal | undefined {
  const { asset, nowMs } = held;
  const ofTiers = policy.tiers.filter((rule) => rule.asset === asset);
  const ofNew = policy.newDestinations.find((rule) => rule.asset === asset);
  for (const { number, customer, tier, to } of held.orders) {
    const rule = ofTiers.find((one) => one.tier === tier);
    const pairs = [
      ...(rule === undefined ? [] : [[rule, tierKeys(asset, { customer, tier })] as const]),
      ...(ofNew === undefined || to?.isNew !== true
        ? []
        : [[ofNew, newDestinationKeys(asset, customer)] as const]),
    ];
    for (const [{ seconds, customerMax, allMax }, keys] of pairs) {
      const spent = (key: string): bigint => spentWithin(tiers.get(key), { seconds, nowMs }).value;
      if (spent(keys.customer) > customerMax)
        return ofOrder(refuse('TIER_CUSTOMER', `${keys.customer}: more than ${customerMax}`), number);
      if (spent(keys.all) > allMax)
        return ofOrder(refuse('TIER_ALL', `${keys.all}: more than ${allMax}`), number);
    }
  }
  return undefined;
}

/** Refuses what would exceed the window of one customer, or of all in a tier; an asset without a tier has none. */
export function checkTiers(
  policy: Policy,
  spending: Spending,
  payment: { readonly asset: string; readonly fresh: readonly TierSpent[]; readonly nowMs: number },
): Refusal | undefined {
  const { asset, fresh, nowMs } = payment;
  const rules = policy.tiers.filter((rule) => rule.asset === asset);
  const beyond = checkNewDestinations(policy, spending, payment);
  if (beyond !== undefined || rules.length === 0) return beyond;
  const { tiers } = spending;
  const added = new Map<string, bigint>();
  for (const { number, customer, tier, value } of fresh) {
    if (value === 0n) continue;
    const rule = rules.find((one) => one.tier === tier);
    if (rule === undefined) {
      return ofOrder(refuse('NOT_IN_POLICY', `${asset}: orders that are ${tier}`), number);
    }
    const { seconds } = rule;
    const keys = tierKeys(asset, { customer, tier });
    for (const [key, max, code] of [
      [keys.customer, rule.customerMax, 'TIER_CUSTOMER'],
      [keys.all, rule.allMax, 'TIER_ALL'],
    ] as const) {
      const more = (added.get(key) ?? 0n) + value;
      added.set(key, more);
      const { value: spent } = spentWithin(tiers.get(key), { seconds, nowMs });
      if (spent + more > max) {
        return ofOrder(refuse(code, `${tier}: ${spent} of ${max} in ${seconds} s are spent`), number);
      }
    }
  }
  return undefined;
}
