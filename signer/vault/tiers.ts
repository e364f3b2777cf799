/** Tiers of the policy: what customers' orders may come to, by how far they are backed. */
import type { Policy } from '../protocol/policy.ts';
import { ofOrder, refuse, type Refusal } from './decision.ts';
import { checkNewDestinations } from './new-destinations.ts';
import { spentWithin, type Spending } from './limits.ts';
import { tierKeys, type TierSpent } from './payments.ts';

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
