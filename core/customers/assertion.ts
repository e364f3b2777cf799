import { createHash, createPublicKey, verify } from 'node:crypto';

/** A passkey's assertion as a browser gives it (WebAuthn level 3, section 7.2), in bytes. */
export interface Assertion {
  readonly authenticatorData: Buffer;
  readonly clientData: Buffer;
  /** DER. */
  readonly signature: Buffer;
}

/** SPKI of a compressed point on P-256 up to its 33 bytes (RFC 5480). */
const P256_HEAD = Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex');
const FLAGS_AT = 32;
const AUTHENTICATOR_DATA_MIN = 37;
const PRESENT_AND_VERIFIED = 0x05;

/**
 * Whether this credential signed this digest on this origin, the person present and verified. Signers decide by their
 * own check; this one keeps an order that they would refuse out of everybody else's transaction.
 */
export function isAssertion(
  { authenticatorData, clientData, signature }: Assertion,
  wanted: { readonly key: Buffer; readonly digest: Buffer; readonly origin: string },
): boolean {
  const client = jsonIn(clientData);
  const { key, digest, origin } = wanted;
  const rpId = sha256(Buffer.from(new URL(origin).hostname));
  const flags = authenticatorData[FLAGS_AT] ?? 0;
  return (
    client?.['type'] === 'webauthn.get' &&
    client['challenge'] === digest.toString('base64url') &&
    client['origin'] === origin &&
    client['crossOrigin'] !== true &&
    !('topOrigin' in client) &&
    authenticatorData.length >= AUTHENTICATOR_DATA_MIN &&
    authenticatorData.subarray(0, FLAGS_AT).equals(rpId) &&
    (flags & PRESENT_AND_VERIFIED) === PRESENT_AND_VERIFIED &&
    isSigned(Buffer.concat([authenticatorData, sha256(clientData)]), { key, signature })
  );
}

function isSigned(bytes: Buffer, { key, signature }: { key: Buffer; signature: Buffer }): boolean {
  try {
    const spki = createPublicKey({ key: Buffer.concat([P256_HEAD, key]), format: 'der', type: 'spki' });
    return verify('sha256', bytes, spki, signature);
  } catch {
    // A key that is no point, a signature that is no DER: OpenSSL throws for both.
    return false;
  }
}

function jsonIn(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
