/** The policy in force: tightened by one person at once, loosened by a quorum after the policy's own delay. */
import { sha256 } from '@noble/hashes/sha2.js';
import { compareBytes, toHex } from '../protocol/canonical.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { isTighter, policyDocument, type Policy } from '../protocol/policy.ts';
import type { SignedJson } from '../protocol/signatures.ts';
import type { PolicyVersions } from '../protocol/policy-versions.ts';
import { accept, refuse, type Decision } from './decision.ts';
import { checkOne, checkQuorum, type RosterMemory } from './roster.ts';

export interface PolicyMemory {
  current: Policy | undefined;
  /** A loosening that waits. The next document takes its place, whatever it says. */
  pending: { readonly policy: Policy; readonly atMs: number } | undefined;
  /** Digests of limits that a quorum has approved: it may come back to them without waiting. */
  readonly approved: Set<string>;
}

export const emptyPolicies = (): PolicyMemory => ({
  current: undefined,
  pending: undefined,
  approved: new Set(),
});

interface Rules {
  readonly manifest: Manifest;
  readonly policies: PolicyMemory;
  readonly roster: RosterMemory;
  readonly nowMs: number;
}

const ZERO = new Uint8Array(32);

/** What is in force now. */
export function policyAt({ current, pending }: PolicyMemory, nowMs: number): Policy | undefined {
  return pending !== undefined && nowMs >= pending.atMs ? pending.policy : current;
}

/** The policy to journal; nothing when it was taken already. */
export function decidePolicy(signed: SignedJson, rules: Rules): Decision<Policy | undefined> {
  const parsed = policyDocument.parse(signed.document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const policy = parsed.value;
  const { manifest, policies, roster, nowMs } = rules;
  const { epoch } = manifest;
  if (policy.epoch !== epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${epoch}`);
  const digest = policyDocument.digest(policy, sha256);
  const last = policies.pending?.policy ?? policies.current;
  if (last !== undefined && compareBytes(policyDocument.digest(last, sha256), digest) === 0)
    return accept(undefined);
  const previous = last === undefined ? ZERO : policyDocument.digest(last, sha256);
  if (policy.version !== (last?.version ?? 0) + 1 || compareBytes(policy.previous, previous) !== 0)
    return refuse('POLICY_STALE', `the last one is version ${last?.version ?? 0}, ${toHex(previous)}`);
  const now = policyAt(policies, nowMs);
  // With a loosening that waits it is no change for nothing: it stops that.
  if (now !== undefined && last === now && limitsOf(policy) === limitsOf(now))
    return refuse('POLICY_UNCHANGED', `version ${now.version} says the same`);
  const isTightening = now !== undefined && isTighter(policy, now);
  const authority = isTightening
    ? checkOne(signed.signatures, { by: policy.by, digest, manifest, roster })
    : checkQuorum(signed.signatures, { digest, manifest, roster });
  return authority.ok ? accept(policy) : authority;
}

/** Takes a journalled policy: at once when it is the first, tighter, or one that a quorum had approved before. */
export function rememberPolicy(memory: PolicyMemory, policy: Policy, atMs: number): void {
  const now = policyAt(memory, atMs);
  const limits = limitsOf(policy);
  if (now === undefined || isTighter(policy, now) || memory.approved.has(limits)) {
    memory.current = policy;
    memory.pending = undefined;
  } else {
    memory.current = now;
    memory.pending = { policy, atMs: atMs + now.loosenDelaySeconds * 1000 };
  }
  // What one person tightened no quorum has looked at.
  if (now === undefined || !isTighter(policy, now)) memory.approved.add(limits);
}

/** Where a policy document that is taken at this time stands then, by a memory that is left as it is. */
export function standingAfter(memory: PolicyMemory, policy: Policy, atMs: number): PolicyMemory {
  const after = { ...memory, approved: new Set(memory.approved) };
  rememberPolicy(after, policy, atMs);
  return after;
}

/** What a status says of it. */
export function versionsAt(memory: PolicyMemory, nowMs: number): PolicyVersions | null {
  const now = policyAt(memory, nowMs);
  const { pending } = memory;
  if (now === undefined) return null;
  const waits = pending !== undefined && pending.policy !== now;
  return {
    version: now.version,
    waiting: waits ? { version: pending.policy.version, fromMs: pending.atMs } : null,
  };
}

/** Names what a policy allows, whichever version says it. */
const limitsOf = (policy: Policy): string =>
  toHex(policyDocument.digest({ ...policy, version: 1, previous: ZERO, by: 'anybody' }, sha256));
