import { recordTaken, untakenEnrolments } from '../customers/customers.ts';
import type { Config } from '../config/config.ts';
import type { Commit, Database } from '../db/db.ts';
import { SignerUnreachableError, type SignerClient } from './signer-client.ts';

/** In one step; with each a signer flushes its journal. */
const STEP_MAX = 20;
/** Refusals that pass by themselves: such a signer is asked again. */
const LATER: ReadonlySet<string> = new Set(['NO_MANIFEST', 'NO_POLICY', 'NO_KEY', 'SEALED', 'UNCONFIRMED']);

/** Passes on what customers enrolled to every signer that has not answered for good. Answers how many were told. */
export async function passOnEnrolments(deps: {
  readonly db: Database;
  readonly config: Config;
  readonly commit: Commit;
  readonly signers: readonly SignerClient[];
}): Promise<number> {
  const names = deps.signers.map(({ id }) => id);
  const rows = await untakenEnrolments(deps.db, names, STEP_MAX);
  let told = 0;
  for (const row of rows) {
    const before = row.taken as Record<string, unknown>;
    const asked = deps.signers.filter(({ id }) => !(id in before));
    const answers = await Promise.all(
      asked.map(async (signer) => [signer.id, await tell(signer, row.enrolment)]),
    );
    const given = Object.fromEntries(answers.filter(([, answer]) => answer !== undefined)) as Record<
      string,
      number | string
    >;
    if (Object.keys(given).length === 0) continue;
    await deps.commit('enrolment.taken', (trx) => recordTaken(trx, { row, signers: names }, given));
    told += 1;
  }
  return told;
}

/** Since when (Unix ms) the signer takes it, the code for which it never will, or nothing for now. */
async function tell(signer: SignerClient, enrolment: unknown): Promise<number | string | undefined> {
  try {
    const answer = await signer.enrol(enrolment);
    if (answer.ok) return answer.usableFrom;
    return LATER.has(answer.code) ? undefined : answer.code;
  } catch (error) {
    if (!(error instanceof SignerUnreachableError)) throw error;
    return undefined;
  }
}
