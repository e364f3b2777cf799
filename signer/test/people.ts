/** Operators and a sentinel with keys made here, and documents that they sign. */
import { createHash, createPrivateKey, createPublicKey, randomBytes, sign } from 'node:crypto';
import { openAuthenticator } from '../../world/people/authenticator.ts';
import type { DocumentType, Json } from '../protocol/document.ts';
import { signaturesToJson, type DocumentSignature } from '../protocol/signatures.ts';

export const ORIGIN = 'http://localhost:7391';
export const CUSTOMER_ORIGIN = 'http://localhost:7392';
/** PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410). */
const ED25519_HEAD = '302e020100300506032b657004220420';

export interface Person {
  readonly id: string;
  /** What the manifest says of an operator. */
  readonly entry: {
    readonly id: string;
    readonly passkey: Uint8Array;
    readonly commandKey: Uint8Array;
    readonly guardian: string;
  };
  readonly byKey: (digest: Uint8Array) => DocumentSignature;
  readonly byPasskey: (digest: Uint8Array, origin?: string) => DocumentSignature;
}

export function person(id: string, guardian: string, counter?: number): Person {
  const der = Buffer.concat([Buffer.from(ED25519_HEAD, 'hex'), randomBytes(32)]);
  const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const authenticator = openAuthenticator(randomBytes(32), counter);
  const commandKey = new Uint8Array(Buffer.from(x, 'base64url'));
  return {
    id,
    entry: { id, passkey: new Uint8Array(authenticator.publicKey), commandKey, guardian },
    byKey: (digest) => ({ kind: 'key', by: id, signature: new Uint8Array(sign(null, digest, key)) }),
    byPasskey: (digest, origin = ORIGIN) => ({
      kind: 'passkey',
      by: id,
      ...authenticator.assert(digest, origin),
    }),
  };
}

/** The document with what these make of its digest. */
export function signedBy<T>(
  type: DocumentType<T>,
  value: T,
  signers: readonly ((digest: Uint8Array) => DocumentSignature)[],
): { document: Json; signatures: Json } {
  const digest = type.digest(value, sha256);
  return { document: type.toJson(value), signatures: signaturesToJson(signers.map((one) => one(digest))) };
}

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(bytes).digest());
