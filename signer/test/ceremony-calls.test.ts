// Proves that a signer proves its keys over a challenge and nobody else can, that making a key survives a kill, and
// that a key which a backup gave back signs nothing.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import { BIP32Factory } from 'bip32';
import * as ecc from 'tiny-secp256k1';
import { recoverAddress, sha256 as viemSha256 } from 'viem';
import { toHex } from '../protocol/canonical.ts';
import { parseProof, possessionDocument, type PossessionProof } from '../protocol/possession.ts';
import { parseKeyFile, writeRestoredKey } from '../vault/key-file.ts';
import { checkPossession } from '../vault/possession.ts';
import { openVault, type Vault } from '../vault/vault.ts';
import {
  PASSPHRASE,
  call,
  evmRequest,
  makeQuorum,
  refused,
  signedManifest,
  signedPolicy,
  policyOf,
} from './quorum.ts';

const quorum = makeQuorum();
after(() => quorum.close());
const [vault] = quorum.vaults;
assert.ok(vault);
const challenge = randomBytes(32);

function proofOf(from: Vault): PossessionProof {
  const parsed = parseProof(call(from, 'prove', { challenge: toHex(challenge) })['proof']);
  assert.ok(parsed.ok);
  return parsed.value;
}

test('both keys sign who the signer is and the challenge, as other libraries verify it', async () => {
  const proof = proofOf(vault);
  assert.deepEqual(checkPossession(proof, challenge), { ok: true, value: true });
  const digest = viemSha256(possessionDocument.encode(proof.possession));
  const account = BIP32Factory(ecc).fromBase58(proof.possession.xpub, bitcoin.networks.regtest);
  assert.ok(account.verify(Buffer.from(digest.slice(2), 'hex'), proof.bitcoin));
  const rsv = `0x${toHex(proof.evm.slice(1))}${(27 + proof.evm[0]!).toString(16)}` as const;
  assert.equal(await recoverAddress({ hash: digest, signature: rsv }), proof.possession.evmAddress);
});

test('a proof of another challenge, name, epoch or key, or with a flipped bit, is refused', () => {
  const proof = proofOf(vault);
  const other = proofOf(quorum.vaults[1]!);
  const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((b, i) => (i === at ? b ^ 1 : b));
  const bent: PossessionProof[] = [
    { ...proof, possession: { ...proof.possession, signer: 'signer-b' } },
    { ...proof, possession: { ...proof.possession, epoch: 2 } },
    { ...proof, possession: { ...proof.possession, xpub: other.possession.xpub } },
    { ...proof, possession: { ...proof.possession, evmAddress: other.possession.evmAddress } },
    { ...proof, bitcoin: other.bitcoin },
    { ...proof, evm: other.evm },
    { ...proof, bitcoin: flipped(proof.bitcoin, 40) },
    { ...proof, evm: flipped(proof.evm, 40) },
    { ...proof, evm: flipped(proof.evm, 0) },
    { ...proof, evm: new Uint8Array(65) },
    { ...proof, bitcoin: new Uint8Array(64) },
  ];
  for (const one of bent) assert.equal(checkPossession(one, challenge).ok, false);
  assert.equal(checkPossession(proof, randomBytes(32)).ok, false);
});

test('prove: sealed, without a key, and with a challenge that is none', () => {
  const open = emptyFolder();
  assert.equal(call(open(), 'prove', { challenge: toHex(challenge) })['code'], 'NO_KEY');
  const sealed = quorum.reopen(2);
  assert.equal(call(sealed, 'prove', { challenge: toHex(challenge) })['code'], 'SEALED');
  sealed.close();
  for (const body of [{}, { challenge: '00' }, { challenge: toHex(challenge), also: 1 }])
    assert.equal(call(vault, 'prove', body)['code'], 'MALFORMED');
});

test('a kill while the key is made: it never was, or it is there whole', () => {
  const open = emptyFolder();
  const make = (at: Vault) => call(at, 'make-key', { passphrase: PASSPHRASE, epoch: 1, chain: 'test' });
  writeFileSync(join(open.folder, 'key.new.json'), 'half of a file', { mode: 0o400 });
  const first = open();
  assert.equal(call(first, 'identity', {})['code'], 'NO_KEY');
  const made = make(first);
  assert.ok(made.ok);
  first.close();
  // Killed after the journal knew the key and before its file had its name.
  renameSync(join(open.folder, 'key.json'), join(open.folder, 'key.new.json'));
  const again = open();
  assert.equal(call(again, 'unseal', { passphrase: PASSPHRASE })['xpub'], made['xpub']);
  assert.ok(existsSync(join(open.folder, 'key.json')));
  again.close();
});

test('a restored key proves that it is the one, and signs nothing', () => {
  const open = emptyFolder();
  const sealed = parseKeyFile(readFileSync(join(quorum.folders[0]!, 'key.json'), 'utf8'));
  assert.ok(sealed);
  writeRestoredKey(open.folder, sealed);
  assert.throws(() => writeRestoredKey(open.folder, sealed), { code: 'EEXIST' });
  for (let start = 0; start < 2; start++) {
    const restored = open();
    const key = { passphrase: PASSPHRASE, epoch: 1, chain: 'test' };
    assert.equal(call(restored, 'make-key', key)['code'], 'KEY_EXISTS');
    assert.ok(call(restored, 'unseal', { passphrase: PASSPHRASE }).ok);
    assert.equal(checkPossession(proofOf(restored), challenge).ok, true);
    assert.equal(call(restored, 'status', {})['ready'], false);
    assert.equal(call(restored, 'manifest', signedManifest(quorum.manifest))['code'], 'NOT_READMITTED');
    assert.equal(call(restored, 'policy', signedPolicy(policyOf(quorum.manifest)))['code'], 'NO_MANIFEST');
    refused(restored, evmRequest(), 'NOT_READMITTED');
    restored.close();
  }
});

/** Opens the vault of a folder of its own, as often as it is called. */
function emptyFolder(): (() => Vault) & { readonly folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-signer-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const open = (): Vault =>
    openVault({
      signer: 'signer-a',
      folder,
      nowMs: () => quorum.clock.nowMs,
      randomBytes: (length) => randomBytes(length),
    });
  return Object.assign(open, { folder });
}
