// Proves that the fast derivation gives what two other libraries give, and refuses keys of another kind or network.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { HDKey } from '@scure/bip32';
import { BIP32Factory } from 'bip32';
import { networks, payments } from 'bitcoinjs-lib';
import * as fc from 'fast-check';
import * as ecc from 'tiny-secp256k1';
import type { BitcoinNetwork, Config } from '../../config/config.ts';
import { testManifestText } from '../../../world/testing-manifest.ts';
import { curve, nativeCurveMissing, slowTweakAdd } from './curve.ts';
import { deriveAgain, deriveChecked, deriveScript, openWallet, WalletError } from './derive.ts';
import { walletOf } from './wallet-of.ts';

const VERSIONS = {
  main: { public: 0x0488b21e, private: 0x0488ade4 },
  test: { public: 0x043587cf, private: 0x04358394 },
};
const accounts = (kind: 'main' | 'test', count: number) =>
  Array.from({ length: count }, () =>
    HDKey.fromMasterSeed(randomBytes(32), VERSIONS[kind]).derive("m/48'/1'/0'/2'"),
  );
const xpubsOf = (keys: readonly HDKey[]) => keys.map((key) => key.publicExtendedKey);

test('the same addresses as bitcoinjs and @scure, on all chains, for 1 of 1 up to 3 of 5', () => {
  const bip32 = BIP32Factory(ecc);
  const cases = [
    { chain: 'main', network: networks.bitcoin, threshold: 2, count: 3 },
    { chain: 'test', network: networks.testnet, threshold: 3, count: 5 },
    { chain: 'regtest', network: networks.regtest, threshold: 1, count: 1 },
  ] as const;
  for (const { chain, network, threshold, count } of cases) {
    const xpubs = xpubsOf(accounts(chain === 'main' ? 'main' : 'test', count));
    const wallet = openWallet({ chain, threshold, xpubs });
    const theirs = xpubs.map((xpub) => bip32.fromBase58(xpub, network));
    fc.assert(
      fc.property(fc.constantFrom(0 as const, 1 as const), fc.nat(2 ** 31 - 1), (branch, index) => {
        const ours = deriveScript(wallet, branch, index);
        const pubkeys = theirs
          .map((key) => key.derive(branch).derive(index).publicKey)
          .sort((a, b) => Buffer.compare(a, b));
        const expected = payments.p2wsh({
          redeem: payments.p2ms({ m: threshold, pubkeys, network }),
          network,
        });
        assert.equal(ours.address, expected.address);
        assert.deepEqual(Buffer.from(ours.script), Buffer.from(expected.output!));
        assert.deepEqual(Buffer.from(ours.witnessScript), Buffer.from(expected.redeem!.output!));
        assert.equal(deriveAgain(wallet, branch, index).address, ours.address);
      }),
      { numRuns: 25 },
    );
  }
});

test('a fast path that derives something else never hands out an address', () => {
  const wallet = openWallet({ chain: 'regtest', threshold: 2, xpubs: xpubsOf(accounts('test', 3)) });
  const bent = { ...wallet, parents: [wallet.parents[1], wallet.parents[1]] as const };
  assert.throws(() => deriveChecked(bent, 0, 5), { code: 'ERR_ASSERTION' });
  assert.equal(deriveChecked(wallet, 0, 5).address, deriveScript(wallet, 0, 5).address);
});

test('the native curve is here, and agrees with the one in JavaScript', () => {
  assert.equal(nativeCurveMissing, undefined);
  assert.ok(curve.native);
  for (let i = 0; i < 30; i += 1) {
    const key = HDKey.fromMasterSeed(randomBytes(32)).publicKey!;
    const tweak = randomBytes(32);
    assert.deepEqual(
      Buffer.from(curve.tweakAdd(curve.uncompress(key), tweak)),
      Buffer.from(slowTweakAdd(key, tweak)),
    );
  }
});

test('wrong keys, wrong thresholds and wrong indices are refused', () => {
  const [a, b, c] = accounts('test', 3);
  const good = xpubsOf([a!, b!, c!]);
  const main = accounts('main', 1)[0]!.publicExtendedKey;
  const refused = [
    { chain: 'regtest', threshold: 2, xpubs: [good[0]!, good[1]!, main] },
    { chain: 'main', threshold: 1, xpubs: [good[0]!] },
    { chain: 'regtest', threshold: 1, xpubs: [a!.privateExtendedKey] },
    { chain: 'regtest', threshold: 1, xpubs: [good[0]!.slice(0, -1) + (good[0]!.endsWith('1') ? '2' : '1')] },
    { chain: 'regtest', threshold: 4, xpubs: good },
    { chain: 'regtest', threshold: 0, xpubs: good },
    { chain: 'regtest', threshold: 1, xpubs: [] },
  ] as const;
  for (const options of refused) assert.throws(() => openWallet(options), WalletError);
  const wallet = openWallet({ chain: 'regtest', threshold: 2, xpubs: good });
  for (const index of [-1, 0.5, 2 ** 31, Number.NaN])
    assert.throws(() => deriveScript(wallet, 0, index), RangeError);
});

test('the wallet of a configuration is read from its manifest, and must be of its epoch and network', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-wallet-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const caip2 = 'bip122:0f9188f13cb7b2c71f2a335e3a4fc328';
  const keys = accounts('test', 3);
  const manifest = {
    epoch: 4,
    threshold: 2,
    signers: keys.map((key, i) => ({
      id: `signer-${i}`,
      xpub: key.publicExtendedKey,
      evmAddress: `0x${String(i).repeat(40)}`,
    })),
    bitcoin: [
      {
        network: caip2,
        chain: 'regtest',
        asset: `${caip2}/slip44:1`,
        feeRateMaxSatPerVb: 100,
        feeMaxSat: '1000',
        indexMax: 10,
        cold: 'bcrt1q6rz28mcfaxtmd6v789l9rrlrusdprr9pz3cppk',
      },
    ],
    evm: [],
  };
  const walletManifestFile = join(folder, 'manifest.json');
  const config = (epoch: number) => ({ epoch, walletManifestFile }) as Config;
  const network = (chain: 'regtest' | 'test') => ({ id: 'bitcoin', caip2, chain }) as BitcoinNetwork;
  assert.throws(() => walletOf(config(4), network('regtest')), WalletError);
  writeFileSync(walletManifestFile, testManifestText(manifest));
  const read = config(4);
  const wallet = walletOf(read, network('regtest'));
  assert.equal(wallet, walletOf(read, network('regtest')), 'read once');
  const own = openWallet({ chain: 'regtest', threshold: 2, xpubs: xpubsOf(keys) });
  assert.equal(deriveScript(wallet, 0, 9).address, deriveScript(own, 0, 9).address);
  assert.throws(() => walletOf(config(5), network('regtest')), WalletError);
  assert.throws(() => walletOf(config(4), network('test')), WalletError);
  writeFileSync(walletManifestFile, testManifestText({ ...manifest, extra: 1 }));
  assert.throws(() => walletOf(config(4), network('regtest')), WalletError);
});
