/** What a signer tells of its policy: the one in force, one that waits, and the limits it would take back at once. */
import { policyDocument } from '../protocol/policy.ts';
import type { StandingPolicyAnswer } from '../protocol/standing-policy.ts';
import { policyAt } from './policies.ts';
import type { State } from './state.ts';

export function standingPolicy({ memory, context, journal }: State): StandingPolicyAnswer {
  const { policies } = memory;
  const atMs = context.nowMs();
  const now = policyAt(policies, atMs);
  const { pending } = policies;
  const waits = pending !== undefined && pending.policy !== now;
  return {
    ok: true,
    signer: context.signer,
    journal: journal.head(),
    atMs,
    now: now === undefined ? null : policyDocument.toJson(now),
    waiting: waits ? { policy: policyDocument.toJson(pending.policy), fromMs: pending.atMs } : null,
    approved: [...policies.approved],
  };
}
