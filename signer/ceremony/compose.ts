/** The manifest at the ceremony: proofs of signers and cards of operators go in, a document that every signer takes comes out. */
import { compareBytes, parsing, toHex } from '../protocol/canonical.ts';
import { readHex, readList, readObject } from '../protocol/json.ts';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import type { OperatorCard } from '../protocol/operator-card.ts';
import { parseProof, proofToJson, type Possession, type PossessionProof } from '../protocol/possession.ts';
import { parseSigned, signaturesToJson, type DocumentSignature } from '../protocol/signatures.ts';
import { decideManifest } from '../vault/manifest-check.ts';
import { checkPossession } from '../vault/possession.ts';
import { cardsOf } from './cards.ts';
import { CeremonyError, readJson } from './files.ts';
import { manifestHash } from './pinned.ts';

export interface AnsweredChallenge {
  readonly challenge: Uint8Array;
  readonly proof: PossessionProof;
}

/** What one signer answered to a challenge of ours, verified. Throws CeremonyError PROOF_REFUSED. */
export function checkedProof(value: unknown, challenge: Uint8Array, signer?: string): AnsweredChallenge {
  const proof = parseProof(value);
  if (!proof.ok) throw new CeremonyError('PROOF_REFUSED', proof.detail);
  const decision = checkPossession(proof.value, challenge);
  if (!decision.ok) throw new CeremonyError('PROOF_REFUSED', decision.detail);
  const named = proof.value.possession.signer;
  if (signer !== undefined && named !== signer)
    throw new CeremonyError('PROOF_REFUSED', `${signer} answered as ${named}`);
  return { challenge, proof: proof.value };
}

export const proofsToJson = (proofs: readonly AnsweredChallenge[]): object =>
  proofs.map(({ challenge, proof }) => ({ challenge: toHex(challenge), proof: proofToJson(proof) }));

/** A file of proofsToJson, each verified again. Throws CeremonyError. */
export function readProofs(path: string): AnsweredChallenge[] {
  const value = readJson(path);
  const parsed = parsing(() =>
    readList(value, 'proofs', { min: 1, max: 15 }, (one, at) => {
      const { challenge, proof } = readObject(one, at, ['challenge', 'proof']);
      return { challenge: readHex(challenge, `${at}.challenge`, 32), proof };
    }),
  );
  if (!parsed.ok) throw new CeremonyError('FILE_BROKEN', `${path}: ${parsed.detail}`);
  return parsed.value.map(({ challenge, proof }) => checkedProof(proof, challenge));
}

/** The plan is the manifest without `signers` and `operators`, as JSON. Throws CeremonyError. */
export function composeManifest(
  plan: unknown,
  {
    proofs,
    cards,
  }: { readonly proofs: readonly AnsweredChallenge[]; readonly cards: readonly OperatorCard[] },
): Manifest {
  if (typeof plan !== 'object' || plan === null || 'signers' in plan || 'operators' in plan)
    throw new CeremonyError('MANIFEST_REFUSED', 'the plan is a manifest without signers and operators');
  const signers = proofs
    .map(({ proof }) => proof.possession)
    .map(({ signer, xpub, evmAddress }) => ({ id: signer, xpub, evmAddress }));
  const operators = cards.map(({ id, passkey, commandKey, guardian }) => ({
    id,
    passkey: toHex(passkey),
    commandKey: toHex(commandKey),
    guardian,
  }));
  const parsed = manifestDocument.parse({ ...plan, signers, operators });
  if (!parsed.ok) throw new CeremonyError('MANIFEST_REFUSED', parsed.detail);
  agreesWithProofs(parsed.value, proofs);
  return parsed.value;
}

/** The manifest names exactly the signers that proved their keys. Throws CeremonyError that names who differs. */
export function agreesWithProofs(manifest: Manifest, proofs: readonly AnsweredChallenge[]): void {
  const known = proofs.map(({ proof }) => proof.possession);
  const stranger = known.find(({ signer }) => manifest.signers.every(({ id }) => id !== signer));
  if (stranger !== undefined)
    throw new CeremonyError('MANIFEST_DIFFERS', `${stranger.signer} proved a key and is not in the manifest`);
  for (const { id, xpub, evmAddress } of manifest.signers) {
    const own = known.find(({ signer }) => signer === id);
    if (own === undefined) throw new CeremonyError('MANIFEST_DIFFERS', `${id} has not proved its key`);
    if (own.xpub !== xpub || own.evmAddress !== evmAddress || own.epoch !== manifest.epoch)
      throw new CeremonyError('MANIFEST_DIFFERS', `${id} proved another key than the manifest names`);
  }
}

/** The operators of the manifest are those of the cards. Throws CeremonyError that names who differs. */
export const agreesWithCards = (manifest: Manifest, cards: readonly OperatorCard[]): void =>
  void cardsOf(manifest, cards);

/** A manifest's JSON, alone or signed. Throws CeremonyError. */
export function readManifest(path: string): { manifest: Manifest; signatures: readonly DocumentSignature[] } {
  const value = readJson(path);
  const isSigned = typeof value === 'object' && value !== null && 'signatures' in value;
  const signed = isSigned
    ? parseSigned(value)
    : { ok: true as const, value: { document: value, signatures: [] } };
  if (!signed.ok) throw new CeremonyError('MANIFEST_REFUSED', `${path}: ${signed.detail}`);
  const parsed = manifestDocument.parse(signed.value.document);
  if (!parsed.ok) throw new CeremonyError('MANIFEST_REFUSED', `${path}: ${parsed.detail}`);
  return { manifest: parsed.value, signatures: signed.value.signatures };
}

/**
 * The manifest with the signatures in these files, each a signed manifest of its own; checked as every signer will check
 * it, so that what is wrong is found before any is asked. Throws CeremonyError.
 */
export function assembleManifest(manifest: Manifest, files: readonly string[]): object {
  const bySigner = new Map<string, DocumentSignature>();
  for (const file of files) {
    const part = readManifest(file);
    if (compareBytes(manifestHash(part.manifest), manifestHash(manifest)) !== 0)
      throw new CeremonyError(
        'MANIFEST_DIFFERS',
        `${file} signs another manifest: ${toHex(manifestHash(part.manifest))}`,
      );
    for (const signature of part.signatures) bySigner.set(signature.by, signature);
  }
  const signatures = [...bySigner.values()];
  const document = manifestDocument.toJson(manifest);
  for (const { id, xpub, evmAddress } of manifest.signers) {
    const chain: Possession['chain'] = xpub.startsWith('xpub') ? 'main' : 'test';
    const own = { signer: id, epoch: manifest.epoch, chain, xpub, evmAddress, fingerprint: '' };
    const decision = decideManifest({ document, signatures }, { pinned: undefined, own });
    if (!decision.ok) throw new CeremonyError(decision.code, decision.detail);
  }
  return { document, signatures: signaturesToJson(signatures) };
}
