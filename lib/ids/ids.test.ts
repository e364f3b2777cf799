// Proves that ids are UUIDs of version 7 behind the prefix of their kind, sort by time, and are read as no other kind.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { idBytes, newId, parseId } from './ids.ts';

const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const bytes = fc.uint8Array({ minLength: 10, maxLength: 10 });
const idAt = (ms: number, random: Uint8Array) =>
  newId('withdrawal', { nowMs: () => ms, randomBytes: () => random });

test('any time and randomness: version and variant of RFC 9562, the time in front, the bytes behind it', () => {
  fc.assert(
    fc.property(times, bytes, (ms, random) => {
      const id = idAt(ms, random);
      assert.match(id, /^wdr_[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
      assert.equal(Number.parseInt(id.slice(4, 16), 16), ms);
      assert.equal(`wdr_${Buffer.from(idBytes(id)).toString('hex')}`, id);
      assert.deepEqual(idBytes(id).slice(9), random.slice(3));
      assert.equal(parseId('withdrawal', id), id);
      assert.equal(parseId('deposit', id), undefined);
    }),
  );
});

test('a later id sorts after an earlier one', () => {
  fc.assert(
    fc.property(times, times, bytes, bytes, (one, other, a, b) => {
      fc.pre(one < other);
      assert.ok(idAt(one, a) < idAt(other, b));
    }),
  );
});

test('what is no id is refused', () => {
  const id = idAt(1, new Uint8Array(10));
  for (const text of [
    '',
    'wdr_',
    id.slice(1),
    id.slice(0, -1),
    `${id}0`,
    id.toUpperCase(),
    ` ${id}`,
    `${id}\n`,
  ])
    assert.equal(parseId('withdrawal', text), undefined, text);
});
