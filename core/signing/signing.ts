import type { DatabaseTransaction } from '../db/db.ts';
import {
  parseSignRequest,
  type SignAnswer,
  type Signed,
  type SignRequest,
} from '../../signer/protocol/messages.ts';
import { SignerUnreachableError, type SignerClient } from './signer-client.ts';

export { passOnEnrolments } from './enrolments.ts';
export { ManifestError, quorumOf, type Quorum } from './quorum.ts';
export { signerClients, SignerUnreachableError, type SignerClient } from './signer-client.ts';

export interface Gathered {
  /** Verified signatures, at most one of each signer. */
  readonly signed: readonly Signed[];
  /** So many refused for good that the threshold is out of reach. */
  readonly refused: boolean;
  /** Numbers of orders without which the others might be signed, where a quorum is out of reach by refusals of one. */
  readonly leftOut: ReadonlySet<string>;
  /** Signer, code and words of each no, for people. */
  readonly refusals: readonly Refusal[];
}

interface Refusal {
  readonly ok: false;
  readonly signer: string;
  readonly code: string;
  readonly detail: string;
  /** Number of the one order that the refusal is about. */
  readonly order?: string;
}

export interface GatherOptions {
  readonly signers: readonly SignerClient[];
  /** As many signatures are enough; the others are not waited for. */
  readonly threshold: number;
  readonly attempt: string;
  readonly request: SignRequest;
  readonly now: () => Date;
  /** Whether an answer holds this signer's signatures over exactly what was asked. */
  readonly verify: (answer: Signed) => Promise<boolean>;
  readonly effects: {
    readonly commit: <Result>(
      name: string,
      work: (trx: DatabaseTransaction) => Promise<Result>,
    ) => Promise<Result>;
    readonly sign: (signer: SignerClient, request: SignRequest) => Promise<SignAnswer>;
  };
}

/** What a signer gives up by itself: once it is unsealed, thawed, told that all is well, has room, or has its peers. */
const PASSING_CODES: ReadonlySet<string> = new Set([
  'SEALED',
  'NO_MANIFEST',
  'NO_KEY',
  'NO_POLICY',
  'CLOCK_BACKWARDS',
  'UNCONFIRMED',
  'NOT_COUNTERSIGNED',
  'FROZEN',
  'ATTESTATION_MISSING',
  'ATTESTATION_STALE',
  'CREDENTIAL_UNKNOWN',
  'TIER_CUSTOMER',
  'TIER_ALL',
  'NEW_DESTINATION',
  'WINDOW_VALUE',
  'WINDOW_COUNT',
  'WINDOW_FEES',
  // Of the signer's own node: it comes back, catches up, or sees the coin's block; the order waits, and expires.
  'NODE_UNREACHABLE',
  'NODE_BEHIND',
  'CHAIN_MISMATCH',
  'COIN_UNKNOWN',
  'CODE_CHANGED',
  'PROXY_CHANGED',
  'COIN_UNCONFIRMED',
  'SIGNER_UNREACHABLE',
  'ANSWER_INVALID',
]);

/** A refusal for a reason that may be gone when the same is asked again. */
export const isPassing = (code: string): boolean => PASSING_CODES.has(code);

/**
 * Asks all signers at once for one attempt, goes on as soon as the threshold is reached, and keeps every coded
 * answer that it has by then. The same request may be asked any number of times: a signer that signed it gives the
 * same signature again. No answer counts that does not verify.
 */
export async function gatherSignatures(options: GatherOptions): Promise<Gathered> {
  const { signers, threshold, attempt } = options;
  if (!parseSignRequest(options.request).ok) {
    throw new Error(`attempt ${attempt}: no signer would read this request`);
  }
  const answers = await enough(options);
  await options.effects.commit('signing.answers', async (trx) => {
    for (const answer of answers) await keep(trx, attempt, answer, options.now());
  });
  const signed = answers.filter((answer) => answer.ok);
  const refusals = answers.filter((answer) => !answer.ok);
  const final = refusals.filter(({ code }) => !isPassing(code)).length;
  const named = refusals.flatMap(({ order }) => order ?? []);
  // One signer alone, or one that is away, holds no order up: enough must say no to the orders themselves.
  const leftOut = new Set(signers.length - named.length < threshold ? named : []);
  return { signed, refusals, leftOut, refused: signers.length - final < threshold };
}

/** Every answer so far, once the threshold has signed or all have answered. */
function enough(options: GatherOptions): Promise<(Signed | Refusal)[]> {
  const { signers, threshold } = options;
  return new Promise((resolve, reject) => {
    const answers: (Signed | Refusal)[] = [];
    const ask = async (signer: SignerClient): Promise<void> => {
      answers.push(await askOne(signer, options));
      const signatures = answers.filter(({ ok }) => ok).length;
      if (signatures >= threshold || answers.length === signers.length) resolve([...answers]);
    };
    for (const signer of signers) ask(signer).catch(reject);
  });
}

async function askOne(signer: SignerClient, options: GatherOptions): Promise<Signed | Refusal> {
  let answer: SignAnswer;
  try {
    answer = await options.effects.sign(signer, options.request);
  } catch (error) {
    if (!(error instanceof SignerUnreachableError)) throw error;
    return { ok: false, signer: signer.id, code: error.code, detail: error.message };
  }
  if (!answer.ok || (await options.verify(answer))) return answer;
  const detail = 'the signature is not over what was asked, or not by this signer';
  return { ok: false, signer: signer.id, code: 'ANSWER_INVALID', detail };
}

async function keep(
  trx: DatabaseTransaction,
  attempt: string,
  given: Signed | Refusal,
  at: Date,
): Promise<void> {
  const { ok, signer } = given;
  const code = given.ok ? 'SIGNED' : given.code;
  const detail = given.ok ? '' : given.detail;
  const answer = JSON.stringify(given);
  await trx
    .insertInto('signer_answer')
    .values({ attempt_id: attempt, signer, ok, code, detail, answer, at })
    .onConflict((conflict) =>
      conflict.columns(['attempt_id', 'signer']).doUpdateSet({ ok, code, detail, answer, at }),
    )
    .execute();
}
