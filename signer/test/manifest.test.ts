// Proves that a signer is pinned once, to a manifest that agrees with itself and with the signer's own key.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Manifest } from '../protocol/manifest.ts';
import type { Identity } from '../protocol/messages.ts';
import { PASSPHRASE, call, evmRequest, makeQuorum, manifestOf, refused } from './quorum.ts';

const pinned = makeQuorum();
after(pinned.close);
const other = makeQuorum({ signers: 1, threshold: 1, pin: false });
after(other.close);
const [vault] = other.vaults;
assert.ok(vault);
const own = call(vault, 'identity', {}) as unknown as Identity;
const peers = pinned.vaults.slice(1).map((peer) => call(peer, 'identity', {}) as unknown as Identity);
const good = manifestOf([own, ...peers], 2);
const [signer, ...otherSigners] = good.signers;
const [bitcoin] = good.bitcoin;
const [evm] = good.evm;
assert.ok(signer && bitcoin && evm);

const refusedOnes: Record<string, [code: string, manifest: unknown]> = {
  'another epoch': ['MANIFEST_REFUSED', { ...good, epoch: 2 }],
  'without this signer': ['MANIFEST_REFUSED', { ...good, signers: otherSigners }],
  'this signer with another key': [
    'MANIFEST_REFUSED',
    { ...good, signers: [{ ...signer, xpub: pinned.manifest.signers[0]!.xpub }, ...otherSigners] },
  ],
  'this signer with another EVM address': [
    'MANIFEST_REFUSED',
    {
      ...good,
      signers: [{ ...signer, evmAddress: pinned.manifest.signers[0]!.evmAddress }, ...otherSigners],
    },
  ],
  'a peer’s xpub with a wrong checksum': [
    'MANIFEST_REFUSED',
    { ...good, signers: [signer, { ...otherSigners[0]!, xpub: otherSigners[0]!.xpub.replace(/.$/, '1') }] },
  ],
  'a main chain under a test key': [
    'MANIFEST_REFUSED',
    { ...good, bitcoin: [{ ...bitcoin, chain: 'main' }] },
  ],
  'a vault that is not EIP-55': [
    'MANIFEST_REFUSED',
    { ...good, evm: [{ ...evm, vault: evm.vault.toLowerCase() }] },
  ],
  'the zero address as vault': [
    'MANIFEST_REFUSED',
    { ...good, evm: [{ ...evm, vault: `0x${'0'.repeat(40)}` }] },
  ],
  'one key twice': ['MALFORMED', { ...good, signers: [signer, { ...signer, id: 'signer-z' }] }],
  'one network twice': ['MALFORMED', { ...good, bitcoin: [bitcoin, bitcoin] }],
  'a chain id that is not its network’s': ['MALFORMED', { ...good, evm: [{ ...evm, chainId: '1' }] }],
  'an asset of another network': [
    'MALFORMED',
    { ...good, bitcoin: [{ ...bitcoin, asset: 'bip122:000000000019d6689c085ae165831e93/slip44:0' }] },
  ],
  'a threshold above the signers': ['MALFORMED', { ...good, threshold: 4 }],
  'a threshold of none': ['MALFORMED', { ...good, threshold: 0 }],
  'an unknown field': ['MALFORMED', { ...good, note: '' }],
  'another version': ['MALFORMED', { ...good, version: 2 }],
};

for (const [name, [code, manifest]] of Object.entries(refusedOnes)) {
  test(`refused: ${name}`, () => assert.equal(call(vault, 'manifest', { manifest })['code'], code));
}

test('nothing is signed before it is pinned; it is pinned once; the same again is no error', () => {
  refused(vault, evmRequest(), 'NO_MANIFEST');
  assert.equal(call(vault, 'status', {})['ready'], false);
  assert.ok(call(vault, 'manifest', { manifest: good }).ok);
  assert.equal(call(vault, 'status', {})['ready'], true);
  const head = call(vault, 'status', {})['journal'];
  assert.ok(call(vault, 'manifest', { manifest: good }).ok);
  assert.deepEqual(call(vault, 'status', {})['journal'], head);
  const wider: Manifest = { ...good, bitcoin: [{ ...bitcoin, feeMaxSat: '500001' }] };
  assert.equal(call(vault, 'manifest', { manifest: wider })['code'], 'MANIFEST_PINNED');
});

test('calls and passphrases that are none', () => {
  const answer = JSON.parse(vault.handle('{"id":1,"call":"export","body":{}}')) as {
    answer: { code: string };
  };
  assert.equal(answer.answer.code, 'UNKNOWN_CALL');
  assert.equal(call(vault, 'unseal', { passphrase: 'short' })['code'], 'MALFORMED');
  assert.equal(call(vault, 'unseal', { passphrase: PASSPHRASE, epoch: 1 })['code'], 'MALFORMED');
  assert.equal(call(vault, 'unseal', { passphrase: `${PASSPHRASE}!` })['code'], 'WRONG_PASSPHRASE');
});
