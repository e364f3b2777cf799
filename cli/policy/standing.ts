/** Which policy the signers go by, asked of each of them; and what takes a signed policy there. */
import type { AskSigner } from '../../client/signer.ts';
import { CeremonyError } from '../../signer/ceremony/files.ts';
import { lastPolicy, policyHash } from '../../signer/ceremony/policy-effect.ts';
import { toHex } from '../../signer/protocol/canonical.ts';
import { parseStandingPolicy, type StandingPolicy } from '../../signer/protocol/standing-policy.ts';
import { SaidError } from '../connection.ts';
import { atAll, requireOk, type Answered } from '../commands/signers.ts';
import type { OperatorKit } from '../operator-kit.ts';

export async function askPolicies(kit: OperatorKit): Promise<Answered<StandingPolicy>[]> {
  return atAll(kit, standingAt, performance.now());
}

/** What all that answer say. Throws when none does, or with POLICIES_DIFFER when they do not go by one policy. */
export function agreedPolicy(answers: readonly Answered<StandingPolicy>[]): StandingPolicy {
  const said = answers.flatMap((one) => (one.ok ? [one.answer] : []));
  const [first] = said;
  if (first === undefined)
    throw new SaidError(
      `No signer answered: ${answers.map((one) => `${one.signer} (${one.ok ? '' : one.error})`).join(', ')}.`,
    );
  const names = new Set(said.map((one) => nameOf(one)));
  if (names.size > 1) {
    const each = said.map((one) => `${one.signer} has ${nameOf(one)}`).join('; ');
    throw new CeremonyError('POLICIES_DIFFER', `${each}: bring the last file to those that lack it`);
  }
  return first;
}

/** Says it as people compare it; what waits counts by its content, not by each clock. */
function nameOf(standing: StandingPolicy): string {
  const { now, waiting } = standing;
  const one = (policy: StandingPolicy['now']): string =>
    policy === undefined ? 'none' : `version ${policy.version} (${toHex(policyHash(policy)).slice(0, 16)})`;
  return waiting === undefined ? one(now) : `${one(now)}, and ${one(waiting.policy)} waits`;
}

/** Has every signer take it; answers what each then goes by. */
export async function sendPolicy(kit: OperatorKit, signed: object): Promise<Answered<StandingPolicy>[]> {
  return atAll(
    kit,
    async (ask) => {
      requireOk(await ask('POST', '/v1/policy', signed));
      return standingAt(ask);
    },
    performance.now(),
  );
}

/** When this version is in force there: a moment, or nothing when something else came in its place. */
export function inForceFrom(
  { now, waiting, atMs }: StandingPolicy,
  version: number,
): { readonly ms: number; readonly isNow: boolean } | undefined {
  if (now?.version === version) return { ms: atMs, isNow: true };
  return waiting?.policy.version === version ? { ms: waiting.fromMs, isNow: false } : undefined;
}

/** What the next version names. */
export const lastName = (standing: StandingPolicy): string => {
  const last = lastPolicy(standing);
  return last === undefined ? 'none' : `version ${last.version}`;
};

async function standingAt(ask: AskSigner): Promise<StandingPolicy> {
  const parsed = parseStandingPolicy(await ask('GET', '/v1/policies'));
  if (!parsed.ok) throw new Error(`answered something that is no policy: ${parsed.detail}`);
  if (!parsed.value.ok) throw new Error(`${parsed.value.code}: ${parsed.value.detail}`);
  return parsed.value;
}
