// Proves which texts are addresses of which network, against bitcoinjs, and that what is not exactly right is refused.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { bech32, bech32m } from '@scure/base';
import { address as bitcoinjs, initEccLib, networks } from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import * as ecc from 'tiny-secp256k1';
import { parseBitcoinAddress, type BitcoinChain } from './address.ts';
import { dustLimitOf } from './transaction.ts';

initEccLib(ecc);

const CHAINS = { main: networks.bitcoin, test: networks.testnet, regtest: networks.regtest };
const chainNames = Object.keys(CHAINS) as BitcoinChain[];

const scripts = fc.oneof(
  fc
    .uint8Array({ minLength: 20, maxLength: 20 })
    .map((h) => Uint8Array.from([0x76, 0xa9, 20, ...h, 0x88, 0xac])),
  fc.uint8Array({ minLength: 20, maxLength: 20 }).map((h) => Uint8Array.from([0xa9, 20, ...h, 0x87])),
  fc.uint8Array({ minLength: 20, maxLength: 20 }).map((h) => Uint8Array.from([0, 20, ...h])),
  fc.uint8Array({ minLength: 32, maxLength: 32 }).map((h) => Uint8Array.from([0, 32, ...h])),
);

test('every script with an address comes back from it, on its own network and on no other', () => {
  fc.assert(
    fc.property(scripts, fc.constantFrom(...chainNames), (script, chain) => {
      const text = bitcoinjs.fromOutputScript(script, CHAINS[chain]);
      for (const other of chainNames) {
        const parsed = parseBitcoinAddress(text, other);
        const sameText = bitcoinjs.fromOutputScript(script, CHAINS[other]) === text;
        if (!sameText) {
          assert.deepEqual(parsed, { ok: false, reason: 'ADDRESS_WRONG_NETWORK' });
          continue;
        }
        assert.ok(parsed.ok);
        assert.deepEqual(Buffer.from(parsed.script), Buffer.from(script));
        assert.equal(parsed.canonical, text);
        assert.equal(parsed.dustLimit, dustLimitOf(script));
      }
    }),
  );
});

test('taproot: a key on the curve is paid, one that is none is refused', () => {
  for (let i = 0; i < 50; i += 1) {
    const x = randomBytes(32);
    const script = Uint8Array.from([0x51, 32, ...x]);
    const text = bech32m.encode('bcrt', [1, ...bech32m.toWords(x)]);
    const parsed = parseBitcoinAddress(text, 'regtest');
    if (ecc.isXOnlyPoint(x)) {
      assert.ok(parsed.ok);
      assert.equal(parsed.kind, 'p2tr');
      assert.deepEqual(Buffer.from(parsed.script), Buffer.from(script));
    } else assert.deepEqual(parsed, { ok: false, reason: 'ADDRESS_UNSPENDABLE' });
  }
});

test('one wrong character is never another address', () => {
  const alphabet = Array.from('123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0lIO!. ');
  fc.assert(
    fc.property(scripts, fc.nat(), fc.constantFrom(...alphabet), (script, at, character) => {
      const text = bitcoinjs.fromOutputScript(script, networks.regtest);
      const i = at % text.length;
      const wrong = text.slice(0, i) + character + text.slice(i + 1);
      fc.pre(wrong !== text);
      assert.equal(parseBitcoinAddress(wrong, 'regtest').ok, false);
    }),
    { numRuns: 2000 },
  );
});

const refusals: readonly [string, BitcoinChain, string][] = [
  ['', 'main', 'ADDRESS_MALFORMED'],
  ['bc1', 'main', 'ADDRESS_MALFORMED'],
  ['hello world', 'main', 'ADDRESS_MALFORMED'],
  ['0x52908400098527886E0F7030069857D2E4169EE7', 'main', 'ADDRESS_MALFORMED'],
  [' bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'main', 'ADDRESS_MALFORMED'],
  // BIP-173: mixed case.
  ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kV8f3t4', 'main', 'ADDRESS_MALFORMED'],
  ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5', 'main', 'ADDRESS_CHECKSUM'],
  ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', 'regtest', 'ADDRESS_WRONG_NETWORK'],
  ['tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx', 'main', 'ADDRESS_WRONG_NETWORK'],
  ['1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2', 'test', 'ADDRESS_WRONG_NETWORK'],
  ['1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3', 'main', 'ADDRESS_CHECKSUM'],
  // BIP-350: version 1 with the checksum of version 0, and the reverse.
  [bech32.encode('bc', [1, ...bech32.toWords(new Uint8Array(32))]), 'main', 'ADDRESS_CHECKSUM'],
  [bech32m.encode('bc', [0, ...bech32m.toWords(new Uint8Array(20))]), 'main', 'ADDRESS_CHECKSUM'],
  [bech32m.encode('bc', [2, ...bech32m.toWords(new Uint8Array(32))]), 'main', 'ADDRESS_UNSUPPORTED'],
  [bech32m.encode('bc', [1, ...bech32m.toWords(new Uint8Array(20))]), 'main', 'ADDRESS_UNSUPPORTED'],
  [bech32.encode('bc', [0, ...bech32.toWords(new Uint8Array(24))]), 'main', 'ADDRESS_MALFORMED'],
  [bech32m.encode('bc', [17, ...bech32m.toWords(new Uint8Array(32))]), 'main', 'ADDRESS_MALFORMED'],
];

for (const [text, chain, reason] of refusals) {
  test(`${JSON.stringify(text)} on ${chain}: ${reason}`, () => {
    assert.deepEqual(parseBitcoinAddress(text, chain), { ok: false, reason });
  });
}

test('upper-case bech32, as QR codes have it, becomes the canonical lower case', () => {
  const parsed = parseBitcoinAddress('BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4', 'main');
  assert.ok(parsed.ok);
  assert.equal(parsed.canonical, 'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4');
});
