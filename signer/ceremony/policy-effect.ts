/** What a signer would do with a policy, worked out by its own code from what it says of its policy. */
import { sha256 } from '@noble/hashes/sha2.js';
import { isTighter, policyDocument, type Policy } from '../protocol/policy.ts';
import type { StandingPolicy } from '../protocol/standing-policy.ts';
import { standingAfter } from '../vault/policies.ts';

/** SHA-256 of the canonical bytes: what is signed, and what the next version names. */
export const policyHash = (policy: Policy): Uint8Array => policyDocument.digest(policy, sha256);

/** What the next version has to follow: whichever came last, in force or waiting. */
export const lastPolicy = ({ now, waiting }: StandingPolicy): Policy | undefined => waiting?.policy ?? now;

/** Whether one command key is enough. */
export const isTightening = ({ now }: StandingPolicy, policy: Policy): boolean =>
  now !== undefined && isTighter(policy, now);

/** Seconds that it would wait if it were taken now; 0: it is in force at once. */
export function waitSeconds({ now, waiting, approved, atMs }: StandingPolicy, policy: Policy): number {
  const pending = waiting === undefined ? undefined : { policy: waiting.policy, atMs: waiting.fromMs };
  const memory = { current: now, pending, approved: new Set(approved) };
  const { pending: then } = standingAfter(memory, policy, atMs);
  return then === undefined ? 0 : (then.atMs - atMs) / 1000;
}

/** The version after the last one, with these rules. */
export function nextPolicy(standing: StandingPolicy, rules: Policy, by: string): Policy {
  const last = lastPolicy(standing);
  return policyDocument.normal({
    ...rules,
    version: (last?.version ?? 0) + 1,
    previous: last === undefined ? new Uint8Array(32) : policyHash(last),
    by,
  });
}
