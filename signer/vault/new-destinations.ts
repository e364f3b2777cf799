/**
 * New destinations: whoever gets many customers to sign one thief's address gets no more than a cap, because none of them
 * has paid there for as long as the hold (docs/decisions/0028-customer-authority.md).
 */
import type { Policy } from '../protocol/policy.ts';
import { ofOrder, refuse, type Refusal } from './decision.ts';
import { spentWithin, type Spending } from './limits.ts';
import type { OrderDestination, Pay, SignedOrder } from './pay-entries.ts';
import type { PaymentMemory, TierSpent } from './payments.ts';

/** Where an order of a credential goes, and whether that is new; nothing for an order that no credential has signed. */
export function destinationOf(
  { customer, tier }: Pick<SignedOrder, 'customer' | 'tier'>,
  address: string,
  { place, holdSeconds, nowMs }: { place: string; holdSeconds: number; nowMs: number },
  { sights }: Pick<PaymentMemory, 'sights'>,
): OrderDestination | undefined {
  // Small payments on core's word do not make a thief's address an old one.
  if (tier !== 'unfunded' && tier !== 'funded') return undefined;
  const seenMs = sights.get(sightOf(customer, place, address));
  return { address, isNew: seenMs === undefined || nowMs < seenMs + holdSeconds * 1000 };
}

/** Takes an own entry's destinations in; answers which of them were not known. */
export function rememberSights(
  sights: Map<string, number>,
  { place, orders }: Pick<Pay, 'place' | 'orders'>,
  atMs: number,
): readonly string[] {
  const added: string[] = [];
  for (const { customer, to } of orders) {
    if (to === undefined) continue;
    const sight = sightOf(customer, place, to.address);
    if (sights.has(sight)) continue;
    sights.set(sight, atMs);
    added.push(sight);
  }
  return added;
}

/** Names of the windows of new destinations: the customer's, and everybody's. */
export const newDestinationKeys = (
  asset: string,
  customer: string,
): { readonly customer: string; readonly all: string } => ({
  customer: `${asset} new-destination ${customer}`,
  all: `${asset} new-destination`,
});

/** Refuses what would exceed the cap of one customer, or of all. */
export function checkNewDestinations(
  { newDestinations }: Policy,
  { tiers }: Spending,
  payment: { readonly asset: string; readonly fresh: readonly TierSpent[]; readonly nowMs: number },
): Refusal | undefined {
  const { asset, fresh, nowMs } = payment;
  const rule = newDestinations.find((candidate) => candidate.asset === asset);
  if (rule === undefined) return undefined;
  const { seconds } = rule;
  const added = new Map<string, bigint>();
  for (const { number, customer, toNew } of fresh) {
    if (toNew === 0n) continue;
    const keys = newDestinationKeys(asset, customer);
    for (const [key, max] of [
      [keys.customer, rule.customerMax],
      [keys.all, rule.allMax],
    ] as const) {
      const more = (added.get(key) ?? 0n) + toNew;
      added.set(key, more);
      const { value: spent } = spentWithin(tiers.get(key), { seconds, nowMs });
      if (spent + more > max) {
        const why = `${key}: ${spent} of ${max} in ${seconds} s are spent`;
        return ofOrder(refuse('NEW_DESTINATION', why), number);
      }
    }
  }
  return undefined;
}

const sightOf = (customer: string, place: string, address: string): string =>
  `${customer} ${place} ${address}`;
