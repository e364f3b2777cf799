// Proves of every kind of document: the vectors hold in every direction, one value has one encoding, whatever bytes or
// JSON are read give back the same bytes, and nothing else is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { bigEndian, domain, lengthAndText, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import { toHex } from './canonical.ts';
import { attestationDocument } from './attestation.ts';
import { certificateDocument } from './certificates.ts';
import { depositsDocument } from './deposits.ts';
import type { DocumentType } from './document.ts';
import { enrolmentDocument } from './enrolment.ts';
import { freezeDocument, unfreezeDocument } from './freeze.ts';
import { manifestDocument } from './manifest.ts';
import { policyDocument } from './policy.ts';

const types = {
  manifest: manifestDocument,
  freeze: freezeDocument,
  unfreeze: unfreezeDocument,
  policy: policyDocument,
  enrolment: enrolmentDocument,
  attestation: attestationDocument,
  certificate: certificateDocument,
  deposits: depositsDocument,
} as unknown as Record<string, DocumentType<unknown>>;

const { valid, invalid } = vectors('documents') as {
  valid: Record<string, { json: unknown; canonical: string; digest: string }>;
  invalid: { name: string; type: string; json: unknown }[];
};

for (const [name, type] of Object.entries(types)) {
  const vector = valid[name]!;

  test(`${name}: JSON, canonical bytes and digest agree in every direction`, () => {
    const parsed = type.parse(vector.json);
    assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
    assert.equal(toHex(type.encode(parsed.value)), vector.canonical);
    assert.equal(toHex(type.digest(parsed.value, sha256)), vector.digest);
    assert.deepEqual(type.decode(unhex(vector.canonical)), parsed);
    assert.deepEqual(type.toJson(parsed.value), vector.json);
  });

  test(`${name}: bytes that are bent are refused, or are the one encoding of what they say`, () => {
    const whole = unhex(vector.canonical);
    const bend = fc.record({
      at: fc.nat(whole.length - 1),
      to: fc.nat(255),
      cut: fc.nat(3),
      more: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(bend, { minLength: 1, maxLength: 4 }), (bends) => {
        const bytes = Uint8Array.from(whole);
        for (const { at, to } of bends) bytes[at] = to;
        const { cut = 0, more = 0 } = bends[0] ?? {};
        const bent = Uint8Array.from([...bytes.slice(0, bytes.length - cut), ...new Uint8Array(more)]);
        const read = type.decode(bent);
        if (!read.ok) return;
        assert.deepEqual(type.encode(read.value), bent);
        assert.deepEqual(type.parse(JSON.parse(JSON.stringify(type.toJson(read.value)))), read);
      }),
      { numRuns: 2000 },
    );
  });

  test(`${name}: JSON that lacks a field, has one more or another kind of value is refused`, () => {
    const json = vector.json as Record<string, unknown>;
    for (const field of Object.keys(json)) {
      const { [field]: _, ...less } = json;
      assert.ok(!type.parse(less).ok, `without ${field}`);
      for (const value of [null, {}, true, 1.5, -1, '', ' ', [null]]) {
        if (value === '' && json[field] === '') continue;
        const parsed = type.parse({ ...json, [field]: value });
        // An empty reason is a reason; everything else here is none of any field.
        assert.ok(
          !parsed.ok || (field === 'reason' && (value === '' || value === ' ')),
          `${field}: ${JSON.stringify(value)}`,
        );
      }
    }
    assert.ok(!type.parse({ ...json, more: 1 }).ok);
    for (const value of [null, [], 'text', 7]) assert.ok(!type.parse(value).ok);
  });
}

test('no document is read as another', () => {
  for (const [name, type] of Object.entries(types)) {
    for (const [other, { canonical }] of Object.entries(valid)) {
      assert.equal(type.decode(unhex(canonical)).ok, other === name);
    }
  }
});

test('invalid vectors are refused with a detail', () => {
  for (const { name, type, json } of invalid) {
    const parsed = types[type]!.parse(json);
    assert.ok(!parsed.ok && parsed.detail.length > 5, name);
  }
});

test('a freeze, encoded by hand', () => {
  const json = valid['freeze']!.json as Record<string, string>;
  const reason = Buffer.from(json['reason']!, 'utf8');
  const byHand = Buffer.concat([
    domain('portcullis/freeze/1'),
    bigEndian(7, 4),
    Buffer.from(json['id']!, 'hex'),
    lengthAndText('everything'),
    bigEndian(reason.length, 2),
    reason,
    lengthAndText('alice'),
    bigEndian(json['issuedAt']!, 8),
  ]);
  assert.equal(byHand.toString('hex'), valid['freeze']!.canonical);
});

test('deposits, encoded by hand', () => {
  const json = valid['deposits']!.json as { deposits: Record<string, string | number>[] };
  const items = json.deposits.map((one) =>
    Buffer.concat([
      Buffer.from(String(one['id']), 'hex'),
      bigEndian(one['output']!, 4),
      Buffer.from(String(one['customer']), 'hex'),
      bigEndian(one['index']!, 4),
      lengthAndText(String(one['asset'])),
      bigEndian(one['amount']!, 32),
      bigEndian(one['at']!, 8),
    ]),
  );
  const byHand = Buffer.concat([
    domain('portcullis/deposits/1'),
    bigEndian(7, 4),
    lengthAndText('eip155:1'),
    lengthAndText('watch-1'),
    bigEndian(items.length, 2),
    ...items,
  ]);
  assert.equal(byHand.toString('hex'), valid['deposits']!.canonical);
});

test('an address certificate, encoded by hand', () => {
  const byHand = Buffer.concat([
    domain('portcullis/address-certificate/1'),
    bigEndian(7, 4),
    lengthAndText('eip155:1'),
    Buffer.alloc(32, 0x4d),
    bigEndian(250, 4),
  ]);
  assert.equal(byHand.toString('hex'), valid['certificate']!.canonical);
});
