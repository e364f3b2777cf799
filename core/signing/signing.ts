import type { DatabaseTransaction, Database } from '../db/db.ts';
import { parseSignRequest, type SignRequest } from '../../signer/protocol/messages.ts';
import type { SignAnswer, Signed } from '../../signer/protocol/messages.ts';
import { SignerUnreachableError, type SignerClient } from './signer-client.ts';

export { signerClients, SignerUnreachableError, type SignerClient } from './signer-client.ts';

export interface Gathered {
  /** Signatures, at most one of each signer, of those that said yes. */
  readonly signed: readonly Signed[];
  /** So many refused for good that the threshold is out of reach. */
  readonly refused: boolean;
  /** Signer and code of each no, for people. */
  readonly refusals: readonly { readonly signer: string; readonly code: string; readonly detail: string }[];
}

/** Codes that a signer gives up by itself, once somebody unseals it or it is busy no more. */
const PASSING_CODES = new Set(['SEALED', 'NO_MANIFEST', 'NO_KEY', 'CLOCK_BACKWARDS', 'SIGNER_UNREACHABLE']);

/**
 * Asks all signers for one attempt and keeps each coded answer. The same request may be asked any number of
 * times: a signer that signed it gives the same signature again. Whether the answers fit the transaction is for
 * the caller to verify.
 */
export async function gatherSignatures(deps: {
  readonly db: Database;
  readonly signers: readonly SignerClient[];
  readonly threshold: number;
  readonly attempt: string;
  readonly request: SignRequest;
  readonly now: () => Date;
  readonly effects: { readonly sign: (signer: SignerClient, request: SignRequest) => Promise<SignAnswer> };
}): Promise<Gathered> {
  const { signers, threshold, request } = deps;
  if (!parseSignRequest(request).ok)
    throw new Error(`attempt ${deps.attempt}: no signer would read this request`);
  const answers = await Promise.all(signers.map((signer) => askOne(signer, request, deps.effects.sign)));
  await deps.db.transaction().execute(async (trx) => {
    for (const answer of answers) await keep(trx, deps.attempt, answer, deps.now());
  });
  const signed = answers.filter((answer) => answer.ok);
  const refusals = answers.flatMap((answer) =>
    answer.ok ? [] : [{ signer: answer.signer, code: answer.code, detail: answer.detail }],
  );
  const final = refusals.filter(({ code }) => !PASSING_CODES.has(code)).length;
  return { signed, refusals, refused: signers.length - final < threshold };
}

type Answer =
  | SignAnswer
  | { readonly ok: false; readonly signer: string; readonly code: string; readonly detail: string };

async function askOne(
  signer: SignerClient,
  request: SignRequest,
  sign: (signer: SignerClient, request: SignRequest) => Promise<SignAnswer>,
): Promise<Answer> {
  try {
    return await sign(signer, request);
  } catch (error) {
    if (!(error instanceof SignerUnreachableError)) throw error;
    return { ok: false, signer: signer.id, code: error.code, detail: error.message };
  }
}

async function keep(trx: DatabaseTransaction, attempt: string, answer: Answer, at: Date): Promise<void> {
  const row = {
    attempt_id: attempt,
    signer: answer.signer,
    ok: answer.ok,
    code: answer.ok ? 'SIGNED' : answer.code,
    detail: answer.ok ? '' : answer.detail,
    answer: JSON.stringify(answer),
    at,
  };
  const { ok, code, detail, answer: text } = row;
  await trx
    .insertInto('signer_answer')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['attempt_id', 'signer']).doUpdateSet({ ok, code, detail, answer: text, at }),
    )
    .execute();
}
