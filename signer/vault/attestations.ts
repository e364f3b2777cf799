/**
 * Attestations: where the policy demands it, nothing is signed on a network unless a sentinel said a short while ago
 * that all is well there. They live in memory alone: after a restart the next one is waited for.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { attestationDocument, type Attestation } from '../protocol/attestation.ts';
import type { Manifest } from '../protocol/manifest.ts';
import type { Policy } from '../protocol/policy.ts';
import type { SignedJson } from '../protocol/signatures.ts';
import { accept, refuse, type Decision, type Refusal } from './decision.ts';
import { checkOne, type RosterMemory } from './roster.ts';

interface Held {
  readonly attestation: Attestation;
  /** When it begins to age by the own clock: a sentinel whose clock is ahead makes it live no longer. */
  readonly fromMs: number;
}

/** The last of each sentinel for each network, by both their names. */
export type AttestationMemory = Map<string, Held>;

const AHEAD_MAX_SECONDS = 120n;

/** Takes an attestation; nothing of it is journalled, since it only ever lets through what all other rules allow. */
export function takeAttestation(
  signed: SignedJson,
  rules: {
    readonly manifest: Manifest;
    readonly roster: RosterMemory;
    readonly held: AttestationMemory;
    readonly nowMs: number;
  },
): Decision<true> {
  const parsed = attestationDocument.parse(signed.document);
  if (!parsed.ok) return refuse('MALFORMED', parsed.detail);
  const attestation = parsed.value;
  const { manifest, roster, held, nowMs } = rules;
  const { epoch, network, by, issuedAt, validSeconds } = attestation;
  if (epoch !== manifest.epoch) return refuse('WRONG_EPOCH', `the pinned epoch is ${manifest.epoch}`);
  if (![...manifest.bitcoin, ...manifest.evm].some((entry) => entry.network === network))
    return refuse('UNKNOWN_NETWORK', network);
  if (!manifest.sentinels.some(({ id }) => id === by)) return refuse('NOT_IN_ROSTER', `${by} is no sentinel`);
  const digest = attestationDocument.digest(attestation, sha256);
  const one = checkOne(signed.signatures, { by, digest, manifest, roster });
  if (!one.ok) return one;
  const now = BigInt(nowMs) / 1000n;
  if (issuedAt > now + AHEAD_MAX_SECONDS || issuedAt + BigInt(validSeconds) <= now)
    return refuse('DOCUMENT_STALE', `issued at ${issuedAt}, it is ${now}`);
  const key = `${network} ${by}`;
  const last = held.get(key)?.attestation;
  if (last !== undefined && issuedAt < last.issuedAt)
    return refuse('DOCUMENT_STALE', `one of ${last.issuedAt} is here already`);
  // The same again begins no new life.
  if (last === undefined || issuedAt > last.issuedAt)
    held.set(key, { attestation, fromMs: Math.min(Number(issuedAt) * 1000, nowMs) });
  return accept(true);
}

/** Refuses a payment on a network for which the policy demands an attestation and there is none that is fresh. */
export function checkAttested(
  held: AttestationMemory,
  payment: {
    readonly network: string;
    readonly policy: Policy;
    readonly roster: RosterMemory;
    readonly nowMs: number;
  },
): Refusal | undefined {
  const { network, policy, roster, nowMs } = payment;
  const rule = policy.attestations.find((candidate) => candidate.network === network);
  if (rule === undefined) return undefined;
  const all = [...held.values()].filter(
    ({ attestation }) => attestation.network === network && !roster.suspended.has(attestation.by),
  );
  if (all.length === 0) return refuse('ATTESTATION_MISSING', network);
  const ages = all.map(({ attestation, fromMs }) => {
    const seconds = Math.min(attestation.validSeconds, rule.maxSeconds);
    // A clock that was set back proves nothing.
    return nowMs < fromMs ? Infinity : nowMs - fromMs - seconds * 1000;
  });
  const late = Math.min(...ages);
  return late <= 0
    ? undefined
    : refuse('ATTESTATION_STALE', `${network}: the last one is too old by ${Math.ceil(late / 1000)} s`);
}
