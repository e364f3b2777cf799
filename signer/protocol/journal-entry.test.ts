// Proves that a journal line has one form, and that any edit of it is seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { bigEndian, domain, lengthAndText, sha256, unhex, vectors } from '../test/plain-encoding.ts';
import { toHex } from './canonical.ts';
import {
  decodeJournalEntry,
  encodeJournalEntry,
  formatJournalLine,
  parseJournalLine,
} from './journal-entry.ts';

interface Vectors {
  valid: Record<
    'signer' | 'sequence' | 'previous' | 'at' | 'kind' | 'body' | 'canonical' | 'hash' | 'line',
    string
  >[];
  validCountersignatures: string[];
  invalidLines: { name: string; line: string }[];
}
const { valid, validCountersignatures, invalidLines } = vectors('journal-entry') as Vectors;

test('valid vectors, and an independent computation', () => {
  for (const vector of valid) {
    const parsed = parseJournalLine(vector.line, sha256);
    assert.ok(parsed.ok && parsed.value.type === 'entry');
    assert.equal(toHex(parsed.value.hash), vector.hash);
    assert.equal(parsed.value.body, vector.body);
    assert.equal(toHex(encodeJournalEntry(parsed.value.entry)), vector.canonical);
    assert.equal(formatJournalLine(parsed.value), vector.line);
    assert.deepEqual(decodeJournalEntry(unhex(vector.canonical)), { ok: true, value: parsed.value.entry });
    const plain = Buffer.concat([
      domain('portcullis/journal/1'),
      lengthAndText(vector.signer),
      bigEndian(vector.sequence, 8),
      unhex(vector.previous),
      bigEndian(vector.at, 8),
      lengthAndText(vector.kind),
      sha256(Buffer.from(vector.body)),
    ]);
    assert.equal(plain.toString('hex'), vector.canonical);
    assert.equal(toHex(sha256(plain)), vector.hash);
  }
  for (const line of validCountersignatures) {
    const parsed = parseJournalLine(line, sha256);
    assert.ok(parsed.ok && parsed.value.type === 'countersignature');
    assert.equal(formatJournalLine(parsed.value), line);
  }
});

test('invalid lines are refused', () => {
  for (const { name, line } of invalidLines) assert.ok(!parseJournalLine(line, sha256).ok, name);
});

test('any changed, added or removed character is seen', () => {
  const line = valid[1]!.line;
  fc.assert(
    fc.property(
      fc.nat(line.length - 1),
      fc.constantFrom('0', 'a', '9', 'f', '"', '{', '}', ':', ' ', '\\'),
      fc.boolean(),
      (at, letter, insert) => {
        const bent = line.slice(0, at) + letter + line.slice(insert ? at : at + 1);
        if (bent !== line) assert.ok(!parseJournalLine(bent, sha256).ok, bent);
        assert.ok(!parseJournalLine(line.slice(0, at) + line.slice(at + 1), sha256).ok);
      },
    ),
    { numRuns: 500 },
  );
});
