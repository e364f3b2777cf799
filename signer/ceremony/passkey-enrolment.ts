/**
 * A new passkey of an operator, as an authenticator made it (WebAuthn level 3, sections 6.5.1 and 7.1): ES256 with the
 * person verified, and used once, so that what goes into the roster is known to sign.
 */
import { p256 } from '@noble/curves/nist.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { base64urlnopad } from '@scure/base';
import { compareBytes, concat, fromHex, toHex } from '../protocol/canonical.ts';
import type { PasskeyAssertion } from '../protocol/signatures.ts';
import { checkPasskey } from '../vault/passkey.ts';
import { CeremonyError } from './files.ts';

export interface MadePasskey {
  /** Compressed point of P-256. */
  readonly publicKey: Uint8Array;
  readonly credentialId: Uint8Array;
}

export interface PasskeyPlace {
  readonly origin: string;
  /** 32 bytes: what the authenticator was given to sign over. */
  readonly challenge: Uint8Array;
}

const FLAGS_AT = 32;
const COUNTER_BYTES = 4;
const AAGUID_BYTES = 16;
const COORDINATE_BYTES = 32;
const USER_PRESENT = 0x01;
const USER_VERIFIED = 0x04;
const ATTESTED = 0x40;
const CREDENTIAL_ID_MAX = 1023;
/**
 * CTAP2 has one form of CBOR, so a key of ES256 is these bytes and nothing else: kty 2 (EC2), alg -7, crv 1 (P-256), x,
 * y (RFC 9053, section 7.1.1).
 */
const COSE_HEAD = 'a5010203262001215820';
const COSE_Y = '225820';

/** Throws CeremonyError PASSKEY_REFUSED. */
export function checkMadePasskey(
  made: { readonly authenticatorData: Uint8Array; readonly clientData: Uint8Array },
  { origin, challenge }: PasskeyPlace,
): MadePasskey {
  const client = clientOf(made.clientData);
  if (client['type'] !== 'webauthn.create') throw refused('it was not made here');
  if (client['challenge'] !== base64urlnopad.encode(challenge)) throw refused('made for another page');
  if (client['origin'] !== origin || client['crossOrigin'] === true || 'topOrigin' in client)
    throw refused('made on another origin');
  const { authenticatorData: data } = made;
  const rpIdHash = sha256(new TextEncoder().encode(new URL(origin).hostname));
  if (data.length < FLAGS_AT + 1 || compareBytes(data.slice(0, FLAGS_AT), rpIdHash) !== 0)
    throw refused('for another relying party');
  const flags = data[FLAGS_AT] ?? 0;
  if ((flags & USER_PRESENT) === 0) throw refused('nobody was present');
  if ((flags & USER_VERIFIED) === 0)
    throw refused('the authenticator has not verified the person: set a PIN or a fingerprint');
  if ((flags & ATTESTED) === 0) throw refused('no key in it');
  return readCredential(data.slice(FLAGS_AT + 1 + COUNTER_BYTES + AAGUID_BYTES));
}

/** What it signed once over another challenge. Throws CeremonyError PASSKEY_REFUSED. */
export function checkUsedOnce(
  { publicKey }: MadePasskey,
  assertion: PasskeyAssertion,
  { origin, challenge }: PasskeyPlace,
): void {
  const rpId = new URL(origin).hostname;
  const decision = checkPasskey(assertion, { publicKey, digest: challenge, rpId, origin, counter: 0 });
  if (!decision.ok) throw refused(decision.detail);
}

function readCredential(bytes: Uint8Array): MadePasskey {
  const length = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
  const credentialId = bytes.slice(2, 2 + length);
  if (length < 1 || length > CREDENTIAL_ID_MAX || credentialId.length !== length)
    throw refused('the name of the credential is cut off');
  const key = bytes.slice(2 + length);
  const [head, middle] = [COSE_HEAD.length / 2, COSE_Y.length / 2];
  const x = key.slice(head, head + COORDINATE_BYTES);
  const y = key.slice(head + COORDINATE_BYTES + middle, head + middle + 2 * COORDINATE_BYTES);
  const form = concat([fromHex(COSE_HEAD), x, fromHex(COSE_Y), y]);
  // Extensions may follow the key.
  if (y.length !== COORDINATE_BYTES || compareBytes(key.slice(0, form.length), form) !== 0)
    throw refused('the key is not of ES256');
  const publicKey = concat([Uint8Array.of(((y.at(-1) ?? 0) & 1) === 1 ? 3 : 2), x]);
  const point = concat([Uint8Array.of(4), x, y]);
  if (!p256.utils.isValidPublicKey(point, false)) throw refused('the key is no point of P-256');
  return { publicKey, credentialId };
}

function clientOf(bytes: Uint8Array): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch {
    // Said below, in the same words.
  }
  throw refused('the client data is no JSON object');
}

/** As it is kept in an operator's kit. */
export const passkeyToJson = (
  { publicKey, credentialId }: MadePasskey,
  { id, origin }: { readonly id: string; readonly origin: string },
): object => ({ id, origin, publicKey: toHex(publicKey), credentialId: toHex(credentialId) });

const refused = (why: string): CeremonyError => new CeremonyError('PASSKEY_REFUSED', why);
