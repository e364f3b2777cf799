// Proves that scripts and keys are those of @scure/bip32 and bitcoinjs, for every branch and index.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { HDKey } from '@scure/bip32';
import { payments } from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import { openKeys, openWallet } from './bitcoin-wallet.ts';

const accounts = [1, 2, 3].map((n) =>
  HDKey.fromMasterSeed(new Uint8Array(32).fill(n)).derive("m/48'/1'/1'/2'"),
);
const publicOf = (account: HDKey): HDKey => HDKey.fromExtendedKey(account.publicExtendedKey);
const branches = fc.constantFrom(0 as const, 1 as const);

test('the scripts of sortedmulti, by two other libraries', () => {
  const wallet = openWallet(accounts.map(publicOf), 2);
  fc.assert(
    fc.property(branches, fc.nat(2 ** 31 - 1), (branch, index) => {
      const pubkeys = accounts
        .map((account) => Buffer.from(account.deriveChild(branch).deriveChild(index).publicKey!))
        .toSorted((a, b) => a.compare(b));
      const expected = payments.p2wsh({ redeem: payments.p2ms({ m: 2, pubkeys }) });
      const { script, witnessScript } = wallet.scriptAt(branch, index);
      assert.deepEqual(Buffer.from(script), Buffer.from(expected.output!));
      assert.deepEqual(Buffer.from(witnessScript), Buffer.from(expected.redeem!.output!));
      assert.equal(wallet.scriptAt(branch, index), wallet.scriptAt(branch, index), 'derived once');
    }),
    { numRuns: 30 },
  );
});

test('the key pairs of BIP-32', () => {
  for (const account of accounts) {
    const keys = openKeys(account);
    fc.assert(
      fc.property(branches, fc.nat(2 ** 31 - 1), (branch, index) => {
        const expected = account.deriveChild(branch).deriveChild(index);
        const { privateKey, publicKey, publicPoint } = keys.keyAt(branch, index);
        assert.deepEqual(Buffer.from(privateKey), Buffer.from(expected.privateKey!));
        assert.deepEqual(Buffer.from(publicKey), Buffer.from(expected.publicKey!));
        assert.deepEqual(Buffer.from(publicPoint), Buffer.from(secp256k1.getPublicKey(privateKey, false)));
      }),
      { numRuns: 20 },
    );
  }
});

test('no index outside of BIP-32, and no private key from a public account', () => {
  const wallet = openWallet(accounts.map(publicOf), 2);
  for (const index of [-1, 0.5, 2 ** 31, Number.NaN])
    assert.throws(() => wallet.scriptAt(0, index), RangeError);
  assert.throws(() => openKeys(publicOf(accounts[0]!)), TypeError);
});
