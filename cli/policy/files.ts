/** Policies in files: as `show --json` prints one to be edited, and as a proposal that goes round. */
import { CeremonyError, readJson } from '../../signer/ceremony/files.ts';
import { lastPolicy, nextPolicy, policyHash } from '../../signer/ceremony/policy-effect.ts';
import { compareBytes } from '../../signer/protocol/canonical.ts';
import { policyDocument, type Policy } from '../../signer/protocol/policy.ts';
import type { StandingPolicy } from '../../signer/protocol/standing-policy.ts';
import { UsageError } from '../connection.ts';
import { lastName } from './standing.ts';

/** Either of the two. */
export function readPolicy(file: string): { policy: Policy; isProposal: boolean } {
  const value = readJson(file);
  const isProposal = has(value, 'document');
  const inner = isProposal ? value.document : has(value, 'policy') ? value.policy : value;
  const parsed = policyDocument.parse(inner);
  if (!parsed.ok) throw new UsageError(`${file} is no policy: ${parsed.detail}`);
  return { policy: parsed.value, isProposal };
}

/**
 * The next version with the rules of an edited file. Throws CeremonyError: POLICY_STALE when the file was written from
 * another version than the one in force, whose changes it would take back unseen; POLICY_WAITS when a loosening waits.
 */
export function editedPolicy(
  file: string,
  { standing, by, replaces }: { standing: StandingPolicy; by: string; replaces: boolean },
): Policy {
  const { policy, isProposal } = readPolicy(file);
  if (isProposal) throw new UsageError(`${file} is a proposal already: portcullis policy approve ${file}`);
  const { now, waiting } = standing;
  const isOfNow =
    policy.version === (now?.version ?? 1) &&
    (now === undefined || compareBytes(policy.previous, now.previous) === 0);
  if (!isOfNow)
    throw new CeremonyError(
      'POLICY_STALE',
      `${file} was written from version ${policy.version}, in force is ${now?.version ?? 'none'}: run portcullis policy show again`,
    );
  if (waiting !== undefined && !replaces)
    throw new CeremonyError(
      'POLICY_WAITS',
      `version ${waiting.policy.version} waits until ${new Date(waiting.fromMs).toISOString()}; this would take its place: say so with --replace`,
    );
  return nextPolicy(standing, policy, by);
}

/** Throws POLICY_STALE unless the proposal follows what the signers have, or is what they have. */
export function checkFollows(policy: Policy, standing: StandingPolicy): void {
  const last = lastPolicy(standing);
  if (last !== undefined && compareBytes(policyHash(last), policyHash(policy)) === 0) return;
  const previous = last === undefined ? new Uint8Array(32) : policyHash(last);
  if (compareBytes(policy.previous, previous) === 0) return;
  throw new CeremonyError(
    'POLICY_STALE',
    `the file follows another version than the signers’ last one, ${lastName(standing)}: propose it anew`,
  );
}

const has = <K extends string>(value: unknown, key: K): value is Record<K, unknown> =>
  typeof value === 'object' && value !== null && key in value;
