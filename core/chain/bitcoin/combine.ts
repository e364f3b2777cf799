import { hash } from 'node:crypto';
import { base64 } from '@scure/base';
import { Transaction } from '@scure/btc-signer';
import { planOf, readPsbt, type StoredRequest } from './build-psbt.ts';
import { curve } from './curve.ts';
import { hashText } from './parse-block.ts';
import { serialize, serializeSigned, SIGHASH_ALL, signatureDigests } from './transaction.ts';

export type CombineRefusal =
  /** What came back is no PSBT. */
  | 'ANSWER_MALFORMED'
  /** It is about another transaction than the one that was asked for. */
  | 'TRANSACTION_DIFFERS'
  /** A signature by no key of the input, of another sighash, or one that does not verify. */
  | 'SIGNATURE_INVALID'
  /** An input without a signature of this signer. */
  | 'SIGNATURE_MISSING';

/** Signatures of one signer, one for each input, each verified. */
export interface SignerSignatures {
  readonly ok: true;
  readonly signatures: readonly { readonly publicKey: Uint8Array; readonly signature: Uint8Array }[];
}

export type CheckedAnswer = SignerSignatures | { readonly ok: false; readonly reason: CombineRefusal };

export type Combined =
  | { readonly ok: true; readonly raw: Buffer; readonly txId: string; readonly vbytes: number }
  | {
      readonly ok: false;
      readonly reason: 'THRESHOLD_NOT_REACHED';
      /** Why each answer that does not count does not. */
      readonly refused: readonly { readonly answer: number; readonly reason: CombineRefusal }[];
    };

/**
 * Reads what a signer sent back. Only its signatures are taken; scripts, amounts and outputs are those of the
 * request, and every signature is verified over them.
 */
export function checkAnswer(request: StoredRequest, answer: string): CheckedAnswer {
  const { inputs, outputs, witnessScripts } = planOf(request);
  const asked = serialize({ inputs, outputs });
  let transaction: Transaction;
  let theirs: Uint8Array;
  try {
    transaction = Transaction.fromPSBT(base64.decode(answer), { allowUnknownOutputs: true });
    theirs = transaction.unsignedTx;
  } catch {
    // The decoder throws for all that is wrong; to the caller it is one refusal.
    return { ok: false, reason: 'ANSWER_MALFORMED' };
  }
  if (!asked.equals(theirs)) return { ok: false, reason: 'TRANSACTION_DIFFERS' };
  const digests = signatureDigests({ inputs, outputs }, witnessScripts);
  const signatures: { publicKey: Uint8Array; signature: Uint8Array }[] = [];
  for (const [i, digest] of digests.entries()) {
    const [partial, ...more] = transaction.getInput(i).partialSig ?? [];
    if (!partial) return { ok: false, reason: 'SIGNATURE_MISSING' };
    const [publicKey, signature] = partial;
    const keys = keysOf(witnessScripts[i] ?? new Uint8Array());
    const known = keys.some((key) => Buffer.compare(key, publicKey) === 0);
    const good =
      signature.at(-1) === SIGHASH_ALL && curve.verify(signature.subarray(0, -1), digest, publicKey);
    if (more.length > 0 || !known || !good) return { ok: false, reason: 'SIGNATURE_INVALID' };
    signatures.push({ publicKey, signature });
  }
  return { ok: true, signatures };
}

/**
 * The finished transaction from as many good answers as the script wants. It is by construction the one that
 * was asked for: its bytes come from the request, and only signatures from the answers.
 */
export function combineAndFinalize(request: StoredRequest, answers: readonly string[]): Combined {
  const { inputs, outputs, witnessScripts } = planOf(request);
  const refused: { answer: number; reason: CombineRefusal }[] = [];
  const good: SignerSignatures[] = [];
  for (const [answer, text] of answers.entries()) {
    const checked = checkAnswer(request, text);
    if (checked.ok) good.push(checked);
    else refused.push({ answer, reason: checked.reason });
  }
  const witnesses: Uint8Array[][] = [];
  for (const [i, witnessScript] of witnessScripts.entries()) {
    const threshold = (witnessScript[0] ?? 0) - 0x50;
    // CHECKMULTISIG wants signatures in the order of the keys, each key once.
    const inOrder = keysOf(witnessScript)
      .map((key) => signatureBy(good, i, key))
      .filter((signature) => signature !== undefined)
      .slice(0, threshold);
    if (threshold < 1 || inOrder.length < threshold) {
      return { ok: false, reason: 'THRESHOLD_NOT_REACHED', refused };
    }
    // CHECKMULTISIG takes one item too many (BIP-147: it must be empty).
    witnesses.push([new Uint8Array(), ...inOrder, witnessScript]);
  }
  const plain = serialize({ inputs, outputs });
  const raw = serializeSigned({ inputs, outputs }, witnesses);
  const txId = hashText(hash('sha256', hash('sha256', plain, 'buffer'), 'buffer'));
  return { ok: true, raw, txId, vbytes: Math.ceil((3 * plain.length + raw.length) / 4) };
}

function signatureBy(
  answers: readonly SignerSignatures[],
  input: number,
  key: Uint8Array,
): Uint8Array | undefined {
  return answers
    .map(({ signatures }) => signatures[input])
    .find((entry) => entry && Buffer.compare(entry.publicKey, key) === 0)?.signature;
}

/** Keys of a multisig script of ours, in their order: pushes of 33 bytes. */
function keysOf(witnessScript: Uint8Array): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let at = 1; witnessScript[at] === 33; at += 34) keys.push(witnessScript.subarray(at + 1, at + 34));
  return keys;
}

/** Id of the transaction that a stored request asks for. */
export function requestedTxId(request: Pick<StoredRequest, 'psbt'>): string {
  return readPsbt(request.psbt).id;
}
