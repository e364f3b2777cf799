// Proves that a set of credentials has one hash, whatever the order it is given in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bigEndian, domain, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import { MalformedError, toHex } from './canonical.ts';
import {
  credentialKinds,
  credentialSetHash,
  decodeCredentialSet,
  encodeCredentialSet,
  type CredentialKind,
} from './credential-set.ts';

interface Vectors {
  empty: string;
  valid: { credentials: { kind: CredentialKind; keyHash: string }[]; canonical: string; hash: string }[];
  invalid: { name: string; credentials: { kind: CredentialKind; keyHash: string }[] }[];
  invalidCanonical: { name: string; canonical: string }[];
}
const { empty, valid, invalid, invalidCanonical } = vectors('credential-set') as Vectors;
const read = (list: { kind: CredentialKind; keyHash: string }[]) =>
  list.map(({ kind, keyHash }) => ({ kind, keyHash: unhex(keyHash) }));

test('valid vectors, and an independent computation', () => {
  for (const vector of valid) {
    const credentials = read(vector.credentials);
    assert.equal(toHex(encodeCredentialSet(credentials)), vector.canonical);
    assert.equal(toHex(credentialSetHash(credentials, sha256)), vector.hash);
    const items = credentials.map((one) =>
      Buffer.concat([bigEndian(credentialKinds[one.kind], 1), one.keyHash]),
    );
    const head = [domain('portcullis/credential-set/1'), bigEndian(items.length, 2)];
    const plain = Buffer.concat([...head, ...items.toSorted((a, b) => Buffer.compare(a, b))]);
    assert.equal(plain.toString('hex'), vector.canonical);
    const decoded = decodeCredentialSet(unhex(vector.canonical));
    assert.ok(decoded.ok);
    assert.equal(toHex(encodeCredentialSet(decoded.value.toReversed())), vector.canonical);
  }
  assert.equal(toHex(credentialSetHash([], sha256)), empty);
});

test('invalid vectors are refused', () => {
  for (const { name, credentials } of invalid) {
    assert.throws(() => encodeCredentialSet(read(credentials)), MalformedError, name);
  }
  for (const { name, canonical } of invalidCanonical)
    assert.ok(!decodeCredentialSet(unhex(canonical)).ok, name);
});
