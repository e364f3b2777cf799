/** Operators' passkeys under a document, checked before any signer is asked. */
import type { Manifest } from '../protocol/manifest.ts';
import type { DocumentSignature } from '../protocol/signatures.ts';
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
