// Proves that an address with a wrong checksum, of another shape, or of nobody is refused, and a right one kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { getAddress as ethersAddress } from 'ethers';
import { parseEvmAddress } from './address.ts';

const address = fc
  .uint8Array({ minLength: 20, maxLength: 20 })
  .filter((bytes) => bytes.some((byte) => byte !== 0))
  .map((bytes) => ethersAddress(`0x${Buffer.from(bytes).toString('hex')}`));

test('canonical, all lower and all upper case become the canonical form of a second library', () => {
  fc.assert(
    fc.property(address, (text) => {
      for (const form of [text, text.toLowerCase(), `0x${text.slice(2).toUpperCase()}`]) {
        assert.deepEqual(parseEvmAddress(form), { ok: true, address: text });
      }
    }),
  );
});

test('one letter in the wrong case is refused, never put right', () => {
  fc.assert(
    fc.property(address, fc.nat(39), (text, at) => {
      const letter = text[2 + at]!;
      const other = letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();
      const bent = text.slice(0, 2 + at) + other + text.slice(3 + at);
      const digits = bent.slice(2);
      fc.pre(other !== letter && digits !== digits.toLowerCase() && digits !== digits.toUpperCase());
      assert.deepEqual(parseEvmAddress(bent), { ok: false, reason: 'ADDRESS_CHECKSUM' });
    }),
  );
});

test('what is no address is refused with its reason', () => {
  const right = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed';
  const malformed = ['', '0x', right.slice(2), right.slice(0, -1), `${right}0`, ` ${right}`, `${right}\n`];
  for (const text of [...malformed, right.replace('0x', '0X'), right.replace('5', 'g'), 'vitalik.eth']) {
    assert.deepEqual(parseEvmAddress(text), { ok: false, reason: 'ADDRESS_MALFORMED' }, text);
  }
  assert.deepEqual(parseEvmAddress(`0x${'0'.repeat(40)}`), { ok: false, reason: 'ADDRESS_ZERO' });
});
