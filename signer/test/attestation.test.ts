// Proves that where the policy demands it nothing is signed without a sentinel's fresh attestation of that very
// network; that nobody else's will do, nor an old one, nor one that was here before a restart; and what loosens it.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { attestationDocument, type Attestation } from '../protocol/attestation.ts';
import { isTighter } from '../protocol/policy.ts';
import { unfreezeDocument } from '../protocol/freeze.ts';
import type { Vault } from '../vault/vault.ts';
import { person, signedBy, type Person } from './people.ts';
import {
  EVM,
  EVM2,
  PASSPHRASE,
  REGTEST,
  bitcoinRequest,
  call,
  evmRequest,
  makeQuorum,
  payment,
  policyOf,
  refused,
  signed,
  type Quorum,
} from './quorum.ts';

const MAX_SECONDS = 60;

function one(t: TestContext): Quorum & { readonly vault: Vault } {
  const policy = { attestations: [EVM, REGTEST].map((network) => ({ network, maxSeconds: MAX_SECONDS })) };
  const quorum = makeQuorum({ signers: 1, threshold: 1, policy });
  t.after(quorum.close);
  const [vault] = quorum.vaults;
  assert.ok(vault);
  return { ...quorum, vault };
}

function attest(
  { vault, sentinel, clock }: Quorum & { readonly vault: Vault },
  fields: Partial<Attestation> = {},
  by: Person = sentinel,
): string {
  const attestation: Attestation = attestationDocument.normal({
    epoch: 1,
    network: EVM,
    height: 5n,
    blockHash: new Uint8Array(32).fill(7),
    by: by.id,
    issuedAt: BigInt(clock.nowMs / 1000),
    validSeconds: 300,
    clauses: [
      { clause: 'outflows-explained', basis: 'chain' },
      { clause: 'journals-agree', basis: 'chain' },
    ],
    ...fields,
  });
  const answer = call(vault, 'attestation', signedBy(attestationDocument, attestation, [by.byKey]));
  return answer.ok ? 'taken' : String(answer['code']);
}

const onNetwork = (network: string) =>
  evmRequest(
    { network },
    { asset: `${network}/slip44:60`, destination: '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359' },
  );

test('each network waits for its own attestation, and only those that the policy names', (t) => {
  const quorum = one(t);
  const { vault, manifest } = quorum;
  refused(vault, onNetwork(EVM), 'ATTESTATION_MISSING');
  const bitcoin = bitcoinRequest(manifest, payment(manifest));
  refused(vault, bitcoin, 'ATTESTATION_MISSING');
  signed(vault, onNetwork(EVM2));
  assert.equal(attest(quorum), 'taken');
  signed(vault, onNetwork(EVM));
  refused(vault, bitcoin, 'ATTESTATION_MISSING');
  assert.equal(attest(quorum, { network: REGTEST }), 'taken');
  signed(vault, bitcoin);
});

test('it grows stale by the own clock: after the policy’s time, or after its own when that is shorter', (t) => {
  const quorum = one(t);
  const { vault, clock } = quorum;
  assert.equal(attest(quorum), 'taken');
  clock.nowMs += MAX_SECONDS * 1000;
  const request = onNetwork(EVM);
  signed(vault, request);
  clock.nowMs += 1;
  refused(vault, onNetwork(EVM), 'ATTESTATION_STALE');
  refused(vault, request, 'ATTESTATION_STALE');
  clock.nowMs += 999;
  assert.equal(attest(quorum, { validSeconds: 10 }), 'taken');
  signed(vault, request);
  clock.nowMs += 10_001;
  refused(vault, request, 'ATTESTATION_STALE');
});

test('an older one, one that has run out, and one from far ahead are refused; one from a clock ahead lives no longer', (t) => {
  const quorum = one(t);
  const { vault, clock } = quorum;
  const now = BigInt(clock.nowMs / 1000);
  assert.equal(attest(quorum, { issuedAt: now - 300n }), 'DOCUMENT_STALE');
  assert.equal(attest(quorum, { issuedAt: now + 121n }), 'DOCUMENT_STALE');
  refused(vault, onNetwork(EVM), 'ATTESTATION_MISSING');
  assert.equal(attest(quorum, { issuedAt: now + 100n }), 'taken');
  assert.equal(attest(quorum, { issuedAt: now + 99n }), 'DOCUMENT_STALE');
  clock.nowMs += 30_000;
  assert.equal(attest(quorum, { issuedAt: now + 100n }), 'taken', 'the same again changes nothing');
  clock.nowMs += MAX_SECONDS * 1000 - 30_000;
  signed(vault, onNetwork(EVM));
  clock.nowMs += 1;
  refused(vault, onNetwork(EVM), 'ATTESTATION_STALE');
});

test('nobody but a sentinel of the manifest attests: no operator, no stranger under its name, no suspended one', (t) => {
  const quorum = one(t);
  const { vault, operators, sentinel, clock } = quorum;
  const [alice] = operators;
  assert.ok(alice);
  assert.equal(attest(quorum, {}, alice), 'NOT_IN_ROSTER');
  assert.equal(attest(quorum, {}, person('watch-1', `0x${'0'.repeat(39)}8`)), 'SIGNATURE_REFUSED');
  assert.equal(attest(quorum, { epoch: 2 }), 'WRONG_EPOCH');
  assert.equal(attest(quorum, { network: 'eip155:9' }), 'UNKNOWN_NETWORK');
  refused(vault, onNetwork(EVM), 'ATTESTATION_MISSING');
  assert.equal(attest(quorum), 'taken');
  signed(vault, onNetwork(EVM));
  const suspend = unfreezeDocument.normal({
    epoch: 1,
    freezes: [],
    suspend: [sentinel.id],
    restore: [],
    reason: 'it froze without cause',
    expiry: BigInt(clock.nowMs / 1000 + 600),
  });
  const quorumOf = operators.slice(0, 2).map(({ byPasskey }) => byPasskey);
  assert.ok(call(vault, 'unfreeze', signedBy(unfreezeDocument, suspend, quorumOf)).ok);
  refused(vault, onNetwork(EVM), 'ATTESTATION_MISSING');
  assert.equal(attest(quorum, { issuedAt: BigInt(clock.nowMs / 1000 + 1) }), 'SUSPENDED');
});

test('after a restart the next one is waited for', (t) => {
  const quorum = one(t);
  assert.equal(attest(quorum), 'taken');
  const spare = call(quorum.vault, 'journal', { after: '0' });
  quorum.vault.close();
  const vault = quorum.reopen(0);
  assert.deepEqual(call(vault, 'journal', { after: '0' }), spare, 'no attestation fills the journal');
  assert.ok(call(vault, 'unseal', { passphrase: PASSPHRASE }).ok);
  refused(vault, onNetwork(EVM), 'ATTESTATION_MISSING');
  assert.equal(attest({ ...quorum, vault }), 'taken');
  signed(vault, onNetwork(EVM));
});

test('to drop or to raise it is looser, to add or to lower it tighter; a network that is not paid on needs none', (t) => {
  const { manifest } = one(t);
  const demanding = (maxSeconds?: number) =>
    policyOf(manifest, {
      attestations: maxSeconds === undefined ? [] : [{ network: EVM, maxSeconds }],
    });
  assert.equal(isTighter(demanding(), demanding(60)), false);
  assert.equal(isTighter(demanding(61), demanding(60)), false);
  assert.equal(isTighter(demanding(59), demanding(60)), true);
  assert.equal(isTighter(demanding(60), demanding()), true);
  const { assets } = demanding();
  const elsewhere = assets.filter(({ asset }) => !asset.startsWith(`${EVM}/`));
  assert.equal(isTighter({ ...demanding(), assets: elsewhere }, demanding(60)), true);
});
