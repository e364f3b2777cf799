// Proves that an order has exactly one encoding, the one of the vectors, and that nothing else is read as an order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { bigEndian, domain, lengthAndText, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import { toHex } from './canonical.ts';
import {
  decodeOrder,
  encodeOrder,
  orderKinds,
  orderToJson,
  parseOrderJson,
  type Order,
  type OrderKind,
} from './order.ts';

interface Vectors {
  valid: { name: string; order: Record<string, string>; canonical: string; digest: string }[];
  invalidJson: { name: string; json: unknown }[];
  invalidCanonical: { name: string; canonical: string }[];
}
const { valid, invalidJson, invalidCanonical } = vectors('order') as Vectors;

test('valid vectors: JSON, canonical bytes and digest agree in every direction', () => {
  for (const vector of valid) {
    const parsed = parseOrderJson(vector.order);
    assert.ok(parsed.ok, vector.name);
    const bytes = encodeOrder(parsed.value);
    assert.equal(toHex(bytes), vector.canonical, vector.name);
    assert.equal(toHex(sha256(bytes)), vector.digest, vector.name);
    assert.deepEqual(decodeOrder(unhex(vector.canonical)), parsed, vector.name);
    assert.deepEqual(orderToJson(parsed.value), vector.order, vector.name);
  }
});

test('invalid vectors are refused with a detail', () => {
  for (const { name, json } of invalidJson) {
    const parsed = parseOrderJson(json);
    assert.ok(!parsed.ok && parsed.detail.length > 5, name);
  }
  for (const { name, canonical } of invalidCanonical) assert.ok(!decodeOrder(unhex(canonical)).ok, name);
});

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const orders: fc.Arbitrary<Order> = fc.record(
  {
    kind: fc.constantFrom(...(Object.keys(orderKinds) as OrderKind[])),
    orderNumber: fc.bigInt(0n, 2n ** 64n - 1n),
    customer: bytes(16),
    credentialSetHash: bytes(32),
    epoch: fc.nat(2 ** 31),
    asset: fc.constantFrom('eip155:1/slip44:60', 'bip122:000000000019d6689c085ae165831e93/slip44:0'),
    destination: fc.stringMatching(/^[\x21-\x7e]{1,128}$/),
    amount: fc.bigInt(0n, 2n ** 256n - 1n),
    maxFee: fc.bigInt(0n, 2n ** 256n - 1n),
    expiry: fc.bigInt(0n, 2n ** 64n - 1n),
  },
  { noNullPrototype: true },
);

test('any order: the encoding is the independent one, and reads back', () => {
  fc.assert(
    fc.property(orders, (order) => {
      const plain = Buffer.concat([
        domain('portcullis/order/1'),
        bigEndian(orderKinds[order.kind], 1),
        bigEndian(order.orderNumber, 8),
        order.customer,
        order.credentialSetHash,
        bigEndian(order.epoch, 4),
        lengthAndText(order.asset),
        lengthAndText(order.destination),
        bigEndian(order.amount, 32),
        bigEndian(order.maxFee, 32),
        bigEndian(order.expiry, 8),
      ]);
      const encoded = encodeOrder(order);
      assert.equal(toHex(encoded), plain.toString('hex'));
      assert.deepEqual(decodeOrder(encoded), { ok: true, value: order });
      assert.deepEqual(parseOrderJson(JSON.parse(JSON.stringify(orderToJson(order)))), {
        ok: true,
        value: order,
      });
    }),
    { numRuns: 300 },
  );
});

test('any changed byte gives another order or none, never the same one', () => {
  const [first] = valid;
  assert.ok(first);
  const good = unhex(first.canonical);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
      const bad = Uint8Array.from(good);
      bad[at] = (bad[at] ?? 0) ^ change;
      const decoded = decodeOrder(bad);
      if (decoded.ok) assert.equal(toHex(encodeOrder(decoded.value)), toHex(bad));
    }),
    { numRuns: 1000 },
  );
});
