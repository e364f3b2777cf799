// Proves that keys are derived as BIP-32 says and another library does, and that a sealed key opens for its
// passphrase and its own identity alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BIP32Factory } from 'bip32';
import * as bitcoin from 'bitcoinjs-lib';
import * as ecc from 'tiny-secp256k1';
import { privateKeyToAddress } from 'viem/accounts';
import { createHash } from 'node:crypto';
import { toHex } from '../protocol/canonical.ts';
import { parseMakeKey } from '../protocol/key-requests.ts';
import { formatSealedKey, makeKey, parseSealedKey, parseXpub, unsealEntropy, unsealKey } from './key.ts';

const PASSPHRASE = 'correct horse battery';
let filled = 0;
const counted = (length: number): Uint8Array => Uint8Array.from({ length }, () => ++filled % 251);
const { key, sealed } = makeKey({
  signer: 'signer-a',
  epoch: 3,
  chain: 'main',
  passphrase: PASSPHRASE,
  randomBytes: counted,
});

test('account, fingerprint and EVM address are those of another library', () => {
  const entropy = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
  const root = BIP32Factory(ecc).fromSeed(entropy, bitcoin.networks.bitcoin);
  const account = root.derivePath("m/48'/0'/3'/2'");
  assert.equal(key.identity.xpub, account.neutered().toBase58());
  assert.equal(key.identity.fingerprint, toHex(root.fingerprint));
  const evm = root.derivePath("m/44'/60'/3'/0/0");
  assert.equal(key.identity.evmAddress, privateKeyToAddress(`0x${toHex(evm.privateKey!)}`));
  assert.equal(
    toHex(key.account.deriveChild(1).deriveChild(7).privateKey!),
    toHex(account.derive(1).derive(7).privateKey!),
  );
});

test('the sealed file opens for its passphrase, and for no other or none of its parts altered', () => {
  const parsed = parseSealedKey(JSON.parse(formatSealedKey(sealed)));
  assert.ok(parsed.ok);
  const opened = unsealKey(parsed.value, PASSPHRASE);
  assert.ok(opened?.token === undefined && opened && key.token === undefined);
  assert.equal(toHex(opened.evmPrivateKey), toHex(key.evmPrivateKey));
  assert.equal(unsealKey(parsed.value, `${PASSPHRASE}r`), undefined);
  const other = { ...parsed.value, identity: { ...parsed.value.identity, signer: 'signer-b' } };
  assert.equal(unsealKey(other, PASSPHRASE), undefined);
  const bent = { ...parsed.value, sealed: parsed.value.sealed.map((byte, i) => (i === 5 ? byte ^ 1 : byte)) };
  assert.equal(unsealKey(bent, PASSPHRASE), undefined);
  const text = formatSealedKey(sealed);
  assert.ok(
    !text.includes(toHex(Uint8Array.from({ length: 32 }, (_, i) => i + 1))),
    'the entropy is not in it',
  );
  assert.ok(!parseSealedKey({ ...(JSON.parse(text) as object), version: 0 }).ok);
  assert.ok(!parseSealedKey({ ...(JSON.parse(text) as object), N: 1 }).ok);
});

test('extended keys: only public ones, of the account’s depth, of the right chain', () => {
  const root = BIP32Factory(ecc).fromSeed(new Uint8Array(32), bitcoin.networks.bitcoin);
  const account = root.derivePath("m/48'/0'/3'/2'");
  assert.ok(parseXpub(account.neutered().toBase58(), 'main'));
  assert.equal(parseXpub(account.neutered().toBase58(), 'test'), undefined);
  assert.equal(parseXpub(account.toBase58(), 'main'), undefined);
  assert.equal(parseXpub(root.neutered().toBase58(), 'main'), undefined);
  assert.equal(parseXpub(account.neutered().toBase58().replace(/.$/, '1'), 'main'), undefined);
});

const DICE = '3141592653'.replace(/[0789]/g, '6').repeat(10);
const zeros = (length: number): Uint8Array => new Uint8Array(length);
const thrown = (randomBytes: (length: number) => Uint8Array, dice?: string): string => {
  const options = {
    signer: 'signer-a',
    epoch: 3,
    chain: 'main',
    passphrase: PASSPHRASE,
    randomBytes,
  } as const;
  const made = makeKey({ ...options, ...(dice === undefined ? {} : { dice }) });
  return toHex(unsealEntropy(made.sealed, PASSPHRASE)!);
};

test('dice are mixed with the generator as README says, and either alone changes the key', () => {
  const sha256 = (...parts: (string | Uint8Array)[]): Buffer =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
  const domain = 'portcullis/key-entropy/1';
  const byHand = sha256(Uint8Array.of(domain.length), domain, zeros(32), sha256(DICE));
  assert.equal(thrown(zeros, DICE), byHand.toString('hex'));
  assert.equal(thrown(zeros), toHex(zeros(32)));
  const oneThrowElse = DICE.replace(/.$/, (face) => (face === '1' ? '2' : '1'));
  const oneBitElse = (length: number): Uint8Array => zeros(length).fill(1, 0, 1);
  assert.equal(new Set([thrown(zeros, DICE), thrown(zeros, oneThrowElse), thrown(oneBitElse, DICE)]).size, 3);
});

test('throws that are too few, too many, or of no die are refused', () => {
  const request = { passphrase: PASSPHRASE, epoch: 1, chain: 'test' };
  for (const dice of ['1'.repeat(99), '1'.repeat(1001), `${DICE}0`, `${DICE}7`, `${DICE} `, '', 5, null])
    assert.ok(!parseMakeKey({ ...request, dice }).ok, String(dice));
  assert.deepEqual(parseMakeKey({ ...request, dice: DICE }), { ok: true, value: { ...request, dice: DICE } });
});
