// Proves that the table never forgets a string, shares fingerprints safely, and stays within 25 bytes for each.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { scriptTable } from './script-table.ts';

const matches = (table: ReturnType<typeof scriptTable>, bytes: Uint8Array): number[] => {
  const found: number[] = [];
  table.matchAll(bytes, { starts: [0], lengths: [bytes.length] }, (_i, id) => found.push(id));
  return found;
};

test('whatever was added is a candidate, at any width of the fingerprint', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.uint8Array({ maxLength: 45 }), {
        selector: (bytes) => Buffer.from(bytes).toString('hex'),
        maxLength: 3000,
        minLength: 1,
        size: 'max',
      }),
      fc.constantFrom(64, 40, 32, 12, 3),
      fc.uint8Array({ minLength: 8, maxLength: 8 }),
      (strings, fingerprintBits, seed) => {
        const table = scriptTable({ seed, fingerprintBits });
        for (const [id, bytes] of strings.entries()) table.add(bytes, 0, bytes.length, id);
        for (const [id, bytes] of strings.entries()) assert.ok(matches(table, bytes).includes(id));
        assert.equal(table.size(), strings.length);
      },
    ),
    { numRuns: 60 },
  );
});

test('two strings with one fingerprint are both candidates', () => {
  const table = scriptTable({ seed: new Uint8Array(8), fingerprintBits: 4 });
  const strings = Array.from({ length: 64 }, (_, i) => Buffer.from(`script ${i}`));
  for (const [id, bytes] of strings.entries()) table.add(bytes, 0, bytes.length, id);
  const shared = strings.map((bytes) => matches(table, bytes));
  assert.ok(shared.some((ids) => ids.length > 1));
  for (const [id, ids] of shared.entries()) assert.ok(ids.includes(id));
});

test('the same string with the same id takes one slot', () => {
  const table = scriptTable({ seed: randomBytes(8) });
  const bytes = Buffer.from('once');
  for (let i = 0; i < 5000; i += 1) table.add(bytes, 0, bytes.length, 7);
  assert.equal(table.size(), 1);
  assert.deepEqual(matches(table, bytes), [7]);
});

test('a part of a longer buffer is looked up in place', () => {
  const table = scriptTable({ seed: randomBytes(8) });
  const block = randomBytes(5000);
  table.add(block.subarray(1001, 1035), 0, 34, 9);
  const starts = Array.from({ length: block.length - 33 }, (_, at) => at);
  const found: [number, number][] = [];
  table.matchAll(block, { starts, lengths: starts.map(() => 34) }, (at, id) => found.push([at, id]));
  assert.deepEqual(found, [[1001, 9]]);
});

test('at most 25 bytes for each string at every size from 100,000 on, and nothing lost while it grows', () => {
  const table = scriptTable({ seed: randomBytes(8) });
  const bytes = Buffer.alloc(34);
  for (let id = 0; id < 400_000; id += 1) {
    bytes.writeUInt32LE(id, 5);
    table.add(bytes, 0, 34, id);
    if (id > 100_000) assert.ok(table.memoryBytes() <= 25 * table.size());
  }
  for (let id = 0; id < 400_000; id += 1) {
    bytes.writeUInt32LE(id, 5);
    assert.ok(matches(table, bytes).includes(id));
  }
  const misses = Array.from({ length: 100_000 }, (_, i) => {
    bytes.writeUInt32LE(1_000_000 + i, 5);
    return matches(table, bytes).length;
  });
  assert.ok(
    misses.every((count) => count === 0),
    '64 bits: no false candidate in 100,000',
  );
});
