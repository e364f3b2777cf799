// Proves that addresses are read as other implementations read them, and that only the canonical form is read.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import * as ecc from 'tiny-secp256k1';
import { getAddress } from 'viem';
import { toHex } from '../protocol/canonical.ts';
import { bitcoinScript, checksumAddress, evmAddressHex } from './addresses.ts';

bitcoin.initEccLib(ecc);
const networks = {
  main: bitcoin.networks.bitcoin,
  test: bitcoin.networks.testnet,
  regtest: bitcoin.networks.regtest,
};
const chains = ['main', 'test', 'regtest'] as const;
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });

const makers: Record<
  string,
  { length: number; dust: bigint; address: (hash: Uint8Array, network: bitcoin.Network) => string }
> = {
  p2pkh: {
    length: 20,
    dust: 546n,
    address: (hash, network) => bitcoin.payments.p2pkh({ hash, network }).address!,
  },
  p2sh: {
    length: 20,
    dust: 540n,
    address: (hash, network) => bitcoin.payments.p2sh({ hash, network }).address!,
  },
  p2wpkh: {
    length: 20,
    dust: 294n,
    address: (hash, network) => bitcoin.payments.p2wpkh({ hash, network }).address!,
  },
  p2wsh: {
    length: 32,
    dust: 330n,
    address: (hash, network) => bitcoin.payments.p2wsh({ hash, network }).address!,
  },
  p2tr: {
    length: 32,
    dust: 330n,
    address: (hash, network) => bitcoin.address.toBech32(hash, 1, network.bech32),
  },
};

for (const [name, { length, dust, address }] of Object.entries(makers)) {
  test(`${name}: any hash, every chain: the script is bitcoinjs-lib's; no other chain reads it`, () => {
    fc.assert(
      fc.property(bytes(length), fc.constantFrom(...chains), (hash, chain) => {
        const text = address(hash, networks[chain]);
        const read = bitcoinScript(text, chain);
        assert.ok(read);
        if (name !== 'p2tr')
          assert.equal(toHex(read.script), toHex(bitcoin.address.toOutputScript(text, networks[chain])));
        else assert.equal(toHex(read.script), `5120${toHex(hash)}`);
        assert.equal(read.dustLimit, dust);
        const others = chains.filter(
          (other) =>
            other !== chain && !(length === 20 && name !== 'p2wpkh' && chain !== 'main' && other !== 'main'),
        );
        for (const other of others) assert.equal(bitcoinScript(text, other), undefined);
      }),
      { numRuns: 60 },
    );
  });
}

test('texts that are no canonical address are refused (BIP-173, BIP-350 and base58check)', () => {
  const bad = [
    '',
    'bc1',
    'BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4',
    'bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5',
    'bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    'bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4',
    'bc1pw5dgrnzv',
    'bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs',
    'bc1qr508d6qejxtdg4y5r3zarvaryv98gj9p',
    'bc1sw50qgdz25j',
    'bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd',
    'bc1q0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq24jc47',
    ' bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4',
    '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb',
    '11A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa',
    'mipcBbFg9gMiCh81Kj8tqqdgoZub1ZJRfn',
    '5Kd3NBUAdUnhyzenEwVLy9pBKxSwXvE9FMPyR4UKZvpe6E3AgLr',
    '1'.repeat(41),
  ];
  for (const text of bad) assert.equal(bitcoinScript(text, 'main'), undefined, text);
  assert.ok(bitcoinScript('1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa', 'main'));
});

test('any changed letter of an address is seen', () => {
  const good = ['bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4', '1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa'];
  const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7lABCDEFG1';
  fc.assert(
    fc.property(fc.constantFrom(...good), fc.nat(), fc.nat(letters.length - 1), (text, at, letter) => {
      const place = at % text.length;
      const bad = text.slice(0, place) + letters.charAt(letter) + text.slice(place + 1);
      if (bad !== text) assert.equal(bitcoinScript(bad, 'main'), undefined, bad);
    }),
    { numRuns: 500 },
  );
});

test('EIP-55: any address as viem writes it, and no other case of it', () => {
  fc.assert(
    fc.property(bytes(20), (raw) => {
      const hex = toHex(raw);
      const text = getAddress(`0x${hex}`);
      assert.equal(checksumAddress(hex), text);
      assert.equal(evmAddressHex(text), hex);
      const lower = `0x${hex}`;
      if (lower !== text) assert.equal(evmAddressHex(lower), undefined);
      assert.equal(evmAddressHex(text.slice(2)), undefined);
      assert.equal(evmAddressHex(`${text}00`), undefined);
    }),
    { numRuns: 200 },
  );
});
