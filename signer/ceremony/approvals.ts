/** Operators' passkeys under a document, checked before any signer is asked. */
import { sha256 } from '@noble/hashes/sha2.js';
import { manifestDocument, type Manifest } from '../protocol/manifest.ts';
import { parseSigned, type DocumentSignature } from '../protocol/signatures.ts';
import { checkQuorum, emptyRoster } from '../vault/roster.ts';
import { CeremonyError } from './files.ts';

/**
 * Whether each is the passkey of another operator in the roster over this digest, by the code that signers check it
 * with. Who is suspended and which counters passed, the signers alone know. Throws CeremonyError with their code.
 */
export function checkApprovals(
  signatures: readonly DocumentSignature[],
  { digest, manifest }: { readonly digest: Uint8Array; readonly manifest: Manifest },
): void {
  if (signatures.length === 0) return;
  const each = { ...manifest, operatorQuorum: 1 };
  const decision = checkQuorum(signatures, { digest, manifest: each, roster: emptyRoster() });
  if (!decision.ok) throw new CeremonyError(decision.code, decision.detail);
}

/**
 * A signed manifest, with the passkeys of a quorum of its own operators verified; that they are the right people is what
 * its hash is compared for. Throws CeremonyError: MANIFEST_REFUSED, or the code that signers refuse it with.
 */
export function checkedManifest(value: unknown): Manifest {
  const signed = parseSigned(value);
  if (!signed.ok) throw new CeremonyError('MANIFEST_REFUSED', signed.detail);
  const parsed = manifestDocument.parse(signed.value.document);
  if (!parsed.ok) throw new CeremonyError('MANIFEST_REFUSED', parsed.detail);
  const manifest = parsed.value;
  const digest = manifestDocument.digest(manifest, sha256);
  const decision = checkQuorum(signed.value.signatures, { digest, manifest, roster: emptyRoster() });
  if (!decision.ok) throw new CeremonyError(decision.code, decision.detail);
  return manifest;
}
