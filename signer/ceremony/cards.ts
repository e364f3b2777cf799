/** Operators' cards: what each hands in, signed by the command key in it. */
import { p256 } from '@noble/curves/nist.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { compareBytes } from '../protocol/canonical.ts';
import { operatorCardDocument, type OperatorCard } from '../protocol/operator-card.ts';
import type { Manifest } from '../protocol/manifest.ts';
import { parseSigned } from '../protocol/signatures.ts';
import { evmAddressHex } from '../vault/addresses.ts';
import { CeremonyError, readJson } from './files.ts';

/** Reads one card and checks its signature and its keys. Throws CeremonyError. */
export function readCard(path: string): OperatorCard {
  const refused = (detail: string): CeremonyError => new CeremonyError('CARD_REFUSED', `${path}: ${detail}`);
  const signed = parseSigned(readJson(path));
  if (!signed.ok) throw refused(signed.detail);
  const parsed = operatorCardDocument.parse(signed.value.document);
  if (!parsed.ok) throw refused(parsed.detail);
  const card = parsed.value;
  const [signature, ...more] = signed.value.signatures;
  if (signature?.kind !== 'key' || more.length > 0 || signature.by !== card.id)
    throw refused(`one signature by the command key of ${card.id} is needed`);
  if (!p256.utils.isValidPublicKey(card.passkey, true)) throw refused('the passkey is no point of P-256');
  if (evmAddressHex(card.guardian) === undefined) throw refused('the guardian is not EIP-55');
  if (!isSigned(signature.signature, operatorCardDocument.digest(card, sha256), card.commandKey))
    throw refused(`not signed by the command key of ${card.id}, or altered`);
  return card;
}

/** The cards of every operator of a manifest, in its order; each must be the operator that the manifest names. */
export function cardsOf(manifest: Manifest, cards: readonly OperatorCard[]): OperatorCard[] {
  const stranger = cards.find(({ id }) => manifest.operators.every((operator) => operator.id !== id));
  if (stranger !== undefined)
    throw new CeremonyError('CARD_REFUSED', `${stranger.id} is no operator of the manifest`);
  return manifest.operators.map((operator) => {
    const [card, more] = cards.filter(({ id }) => id === operator.id);
    if (card === undefined) throw new CeremonyError('CARD_REFUSED', `the card of ${operator.id} is missing`);
    if (more !== undefined) throw new CeremonyError('CARD_REFUSED', `two cards of ${operator.id}`);
    if (
      compareBytes(card.commandKey, operator.commandKey) !== 0 ||
      compareBytes(card.passkey, operator.passkey) !== 0 ||
      card.guardian !== operator.guardian
    )
      throw new CeremonyError('CARD_REFUSED', `the card of ${operator.id} is not who the manifest names`);
    return card;
  });
}

function isSigned(signature: Uint8Array, digest: Uint8Array, key: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, digest, key, { zip215: false });
  } catch {
    // The library throws for a key or a signature that is none.
    return false;
  }
}
