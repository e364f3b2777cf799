// Proves that a signer is pinned once, to a manifest that agrees with itself and with the signer's own key, and that
// a quorum of the operators in it has signed.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { Identity } from '../protocol/messages.ts';
import { manifestDocument } from '../protocol/manifest.ts';
import { person, signedBy } from './people.ts';
import { PASSPHRASE, call, evmRequest, makeQuorum, manifestOf, refused, signedManifest } from './quorum.ts';

const pinned = makeQuorum();
after(pinned.close);
const other = makeQuorum({ signers: 1, threshold: 1, pin: false });
after(other.close);
const [vault] = other.vaults;
assert.ok(vault);
const own = call(vault, 'identity', {}) as unknown as Identity;
const peers = pinned.vaults.slice(1).map((peer) => call(peer, 'identity', {}) as unknown as Identity);
const good = manifestOf([own, ...peers], 2);
const { document: whole, signatures } = signedManifest(good);
const json = whole as Record<string, never>;
const [signer, ...otherSigners] = json['signers'] as unknown as Record<string, string>[];
const [bitcoin] = json['bitcoin'] as unknown as Record<string, string>[];
const [evm] = json['evm'] as unknown as Record<string, string>[];
const [operator, ...otherOperators] = json['operators'] as unknown as Record<string, string>[];
assert.ok(signer && bitcoin && evm && operator);

const refusedOnes: Record<string, [code: string, manifest: unknown]> = {
  'another epoch': ['MANIFEST_REFUSED', { ...json, epoch: 2 }],
  'without this signer': ['MANIFEST_REFUSED', { ...json, signers: otherSigners }],
  'this signer with another key': [
    'MANIFEST_REFUSED',
    { ...json, signers: [{ ...signer, xpub: pinned.manifest.signers[0]!.xpub }, ...otherSigners] },
  ],
  'this signer with another EVM address': [
    'MANIFEST_REFUSED',
    {
      ...json,
      signers: [{ ...signer, evmAddress: pinned.manifest.signers[0]!.evmAddress }, ...otherSigners],
    },
  ],
  'a peer’s xpub with a wrong checksum': [
    'MANIFEST_REFUSED',
    {
      ...json,
      signers: [signer, { ...otherSigners[0]!, xpub: otherSigners[0]!['xpub']!.replace(/.$/, '1') }],
    },
  ],
  'a main chain under a test key': [
    'MANIFEST_REFUSED',
    { ...json, bitcoin: [{ ...bitcoin, chain: 'main' }] },
  ],
  'a vault that is not EIP-55': [
    'MANIFEST_REFUSED',
    { ...json, evm: [{ ...evm, vault: evm['vault']!.toLowerCase() }] },
  ],
  'the zero address as vault': [
    'MANIFEST_REFUSED',
    { ...json, evm: [{ ...evm, vault: `0x${'0'.repeat(40)}` }] },
  ],
  'a passkey that is no point': [
    'MANIFEST_REFUSED',
    { ...json, operators: [{ ...operator, passkey: `05${'11'.repeat(32)}` }, ...otherOperators] },
  ],
  'a command key that is no point': [
    'MANIFEST_REFUSED',
    { ...json, operators: [{ ...operator, commandKey: 'ff'.repeat(32) }, ...otherOperators] },
  ],
  'a guardian that is not EIP-55': [
    'MANIFEST_REFUSED',
    {
      ...json,
      operators: [{ ...operator, guardian: '0xfb6916095CA1df60bB79Ce92cE3Ea74c37c5d359' }, ...otherOperators],
    },
  ],
  'one key twice': ['MALFORMED', { ...json, signers: [signer, { ...signer, id: 'signer-z' }] }],
  'one network twice': ['MALFORMED', { ...json, bitcoin: [bitcoin, bitcoin] }],
  'a chain id that is not its network’s': ['MALFORMED', { ...json, evm: [{ ...evm, chainId: '1' }] }],
  'an asset of another network': [
    'MALFORMED',
    { ...json, bitcoin: [{ ...bitcoin, asset: 'bip122:000000000019d6689c085ae165831e93/slip44:0' }] },
  ],
  'a threshold above the signers': ['MALFORMED', { ...json, threshold: 4 }],
  'a threshold of none': ['MALFORMED', { ...json, threshold: 0 }],
  'an unknown field': ['MALFORMED', { ...json, note: '' }],
  'a quorum above the operators': ['MALFORMED', { ...json, operatorQuorum: 4 }],
  'one passkey twice': [
    'MALFORMED',
    { ...json, operators: [operator, { ...otherOperators[0]!, passkey: operator['passkey']! }] },
  ],
  'an origin that others serve': ['MALFORMED', { ...json, operatorOrigin: 'http://portcullis.example:80' }],
  'an operator with the name of a signer': [
    'MALFORMED',
    { ...json, operators: [{ ...operator, id: signer['id']! }, ...otherOperators] },
  ],
};

for (const [name, [code, manifest]] of Object.entries(refusedOnes)) {
  test(`refused: ${name}`, () =>
    assert.equal(call(vault, 'manifest', { document: manifest, signatures })['code'], code));
}

const [alice, bob] = pinned.operators;
assert.ok(alice && bob);
const outsider = person('alice', alice.entry.guardian);
const unsigned: Record<string, [code: string, signers: Parameters<typeof signedBy>[2]]> = {
  'one of two operators': ['QUORUM_MISSING', [alice.byPasskey]],
  'one operator twice': ['SIGNATURE_REFUSED', [bob.byPasskey, bob.byPasskey]],
  'command keys': ['SIGNATURE_REFUSED', [alice.byKey, bob.byKey]],
  'a key under another’s name': ['ASSERTION_REFUSED', [outsider.byPasskey, bob.byPasskey]],
  'somebody else': ['NOT_IN_ROSTER', [alice.byPasskey, pinned.sentinel.byPasskey]],
};

for (const [name, [code, signers]] of Object.entries(unsigned)) {
  test(`refused: signed by ${name}`, () =>
    assert.equal(call(vault, 'manifest', signedBy(manifestDocument, good, signers))['code'], code));
}

test('nothing is signed before it is pinned; it is pinned once; the same again is no error', () => {
  refused(vault, evmRequest(), 'NO_MANIFEST');
  assert.equal(call(vault, 'status', {})['ready'], false);
  assert.ok(call(vault, 'manifest', signedManifest(good)).ok);
  assert.equal(call(vault, 'status', {})['ready'], true);
  const head = call(vault, 'status', {})['journal'];
  assert.ok(call(vault, 'manifest', signedManifest(good)).ok);
  assert.deepEqual(call(vault, 'status', {})['journal'], head);
  const wider = { ...good, bitcoin: good.bitcoin.map((one) => ({ ...one, feeMaxSat: 500_001n })) };
  assert.equal(call(vault, 'manifest', signedManifest(wider))['code'], 'MANIFEST_PINNED');
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
