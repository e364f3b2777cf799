// Proves that a customer's salt is the one of the vectors, and that no two customers or counters share one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bigEndian, domain, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import { MalformedError, toHex } from './canonical.ts';
import { decodeDepositSalt, encodeDepositSalt } from './deposit-salt.ts';

interface Vectors {
  valid: { customer: string; counter: number; canonical: string; salt: string }[];
  invalid: { name: string; customer: string; counter: number }[];
  invalidCanonical: { name: string; canonical: string }[];
}
const { valid, invalid, invalidCanonical } = vectors('deposit-salt') as Vectors;

test('valid vectors, and an independent computation', () => {
  for (const vector of valid) {
    const salt = { customer: unhex(vector.customer), counter: vector.counter };
    const bytes = encodeDepositSalt(salt);
    assert.equal(toHex(bytes), vector.canonical);
    assert.equal(toHex(sha256(bytes)), vector.salt);
    const plain = [domain('portcullis/deposit-salt/1'), salt.customer, bigEndian(salt.counter, 4)];
    assert.equal(Buffer.concat(plain).toString('hex'), vector.canonical);
    assert.deepEqual(decodeDepositSalt(bytes), { ok: true, value: salt });
  }
  assert.equal(new Set(valid.map((vector) => vector.salt)).size, valid.length);
});

test('invalid vectors are refused', () => {
  for (const { name, customer, counter } of invalid) {
    assert.throws(() => encodeDepositSalt({ customer: unhex(customer), counter }), MalformedError, name);
  }
  for (const { name, canonical } of invalidCanonical)
    assert.ok(!decodeDepositSalt(unhex(canonical)).ok, name);
});
