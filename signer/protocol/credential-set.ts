/** What a customer has enrolled, as one hash that orders and address leaves bind. */
import {
  MalformedError,
  compareBytes,
  concat,
  decodeDocument,
  encodeDocument,
  fixed,
  u16,
  u8,
  type Parsed,
  type Sha256,
} from './canonical.ts';

export const CREDENTIAL_SET_DOMAIN = 'portcullis/credential-set/1';

export const credentialKinds = Object.freeze({
  'passkey-es256': 1,
  'api-key-ed25519': 2,
  'api-key-p256': 3,
} as const);
export type CredentialKind = keyof typeof credentialKinds;
const kindNames = Object.keys(credentialKinds) as CredentialKind[];

export interface Credential {
  readonly kind: CredentialKind;
  /** 32 bytes: SHA-256 of the public key's bytes. */
  readonly keyHash: Uint8Array;
}

/** Canonical bytes, sorted whatever the order given. Throws MalformedError for two alike or none. */
export function encodeCredentialSet(credentials: readonly Credential[]): Uint8Array {
  const items = credentials
    .map((one) => concat([u8(credentialKinds[one.kind]), fixed(one.keyHash, 32)]))
    .toSorted(compareBytes);
  return encodeDocument(CREDENTIAL_SET_DOMAIN, [u16(items.length), ...ascending(items)]);
}

/** The hash of a set: 32 zero bytes for no credentials. */
export function credentialSetHash(credentials: readonly Credential[], sha256: Sha256): Uint8Array {
  return credentials.length === 0 ? new Uint8Array(32) : sha256(encodeCredentialSet(credentials));
}

export function decodeCredentialSet(bytes: Uint8Array): Parsed<Credential[]> {
  return decodeDocument(bytes, CREDENTIAL_SET_DOMAIN, (from) => {
    const items = Array.from({ length: from.u16() }, () => from.bytes(33));
    return ascending(items).map((item) => ({ kind: kindOf(item[0]), keyHash: item.slice(1) }));
  });
}

function ascending(items: readonly Uint8Array[]): readonly Uint8Array[] {
  if (items.length === 0) throw new MalformedError('no credentials have no encoding: their hash is zero');
  for (const [i, item] of items.entries()) {
    const before = items[i - 1];
    if (before !== undefined && compareBytes(before, item) >= 0) {
      throw new MalformedError('credentials ascend, no two alike');
    }
  }
  return items;
}

function kindOf(byte: number | undefined): CredentialKind {
  const found = kindNames.find((name) => credentialKinds[name] === byte);
  if (found === undefined) throw new MalformedError('a credential of an unknown kind');
  return found;
}
