/** Verifies a passkey's assertion over a digest (WebAuthn level 3, section 7.2), ES256 alone. */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base64urlnopad } from '@scure/base';
import { concat } from '../protocol/canonical.ts';
import type { PasskeyAssertion } from '../protocol/signatures.ts';
import { accept, refuse, type Decision } from './decision.ts';

export interface PasskeyRules {
  /** Compressed point of the credential's key. */
  readonly publicKey: Uint8Array;
  /** What is to be authorised: 32 bytes. */
  readonly digest: Uint8Array;
  readonly rpId: string;
  readonly origin: string;
  /** Counter of the last assertion that was taken; 0 for an authenticator without one. */
  readonly counter: number;
}

const RP_ID_HASH_BYTES = 32;
const FLAGS_AT = 32;
const COUNTER_AT = 33;
const AUTHENTICATOR_DATA_MIN = 37;
const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;

/** Answers the assertion's counter. Any doubt is ASSERTION_REFUSED. */
export function checkPasskey(assertion: PasskeyAssertion, rules: PasskeyRules): Decision<number> {
  const bad = (why: string): Decision<number> => refuse('ASSERTION_REFUSED', `${assertion.by}: ${why}`);
  const client = clientDataOf(assertion.clientData);
  if (client === undefined) return bad('the client data is no JSON object');
  if (client['type'] !== 'webauthn.get') return bad('not an assertion');
  if (client['challenge'] !== base64urlnopad.encode(rules.digest)) return bad('over something else');
  if (client['origin'] !== rules.origin) return bad('made on another origin');
  if (client['crossOrigin'] === true || 'topOrigin' in client) return bad('made inside another page');
  const { authenticatorData, signature } = assertion;
  if (authenticatorData.length < AUTHENTICATOR_DATA_MIN) return bad('the authenticator data is too short');
  const rpIdHash = sha256(new TextEncoder().encode(rules.rpId));
  if (!isEqual(authenticatorData.slice(0, RP_ID_HASH_BYTES), rpIdHash))
    return bad('for another relying party');
  const flags = authenticatorData[FLAGS_AT] ?? 0;
  if ((flags & USER_PRESENT) === 0) return bad('nobody was present');
  if ((flags & USER_VERIFIED) === 0) return bad('the person was not verified');
  const counter = counterOf(authenticatorData);
  if (counter !== 0 && counter <= rules.counter) return bad('an old counter: replayed, or a copied key');
  if (counter === 0 && rules.counter !== 0) return bad('a counter that went back to zero');
  const signedBytes = concat([authenticatorData, sha256(assertion.clientData)]);
  return isSignature(signature, signedBytes, rules.publicKey) ? accept(counter) : bad('a wrong signature');
}

/** The counter in authenticator data of at least 37 bytes. */
export const counterOf = (authenticatorData: Uint8Array): number =>
  new DataView(authenticatorData.buffer, authenticatorData.byteOffset).getUint32(COUNTER_AT);

function clientDataOf(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isSignature(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean {
  try {
    // Authenticators do not normalise s, and nothing here depends on one signature having one form.
    return p256.verify(signature, message, publicKey, { format: 'der', lowS: false });
  } catch {
    return false;
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
