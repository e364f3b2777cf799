// Proves: one person or the sentinel stops a scope at once, only a quorum's passkeys start it again, a lifted freeze
// never comes back, and all of it outlives a restart.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { after, test } from 'node:test';
import { freezeDocument, unfreezeDocument, type Freeze, type Unfreeze } from '../protocol/freeze.ts';
import type { Status } from '../protocol/messages.ts';
import type { Vault } from '../vault/vault.ts';
import { person, signedBy } from './people.ts';
import {
  EVM,
  EVM2,
  NATIVE,
  PASSPHRASE,
  REGTEST,
  USDT,
  call,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  refused,
  signed,
} from './quorum.ts';

const quorum = makeQuorum();
after(quorum.close);
const [alice, bob, carol] = quorum.operators;
const { sentinel, clock } = quorum;
assert.ok(alice && bob && carol);
const nowSeconds = (): bigint => BigInt(clock.nowMs) / 1000n;

const freezeOf = (fields: Partial<Freeze> = {}): Freeze => ({
  epoch: 1,
  id: new Uint8Array(randomBytes(16)),
  scope: 'everything',
  reason: 'Überweisung, die niemand kennt',
  by: 'alice',
  issuedAt: nowSeconds(),
  ...fields,
});
const unfreezeOf = (freezes: readonly Freeze[], fields: Partial<Unfreeze> = {}): Unfreeze =>
  unfreezeDocument.normal({
    epoch: 1,
    freezes: freezes.map(({ id }) => id),
    suspend: [],
    restore: [],
    reason: '',
    expiry: nowSeconds() + 3600n,
    ...fields,
  });
const lift = (vault: Vault, unfreeze: Unfreeze) =>
  call(vault, 'unfreeze', signedBy(unfreezeDocument, unfreeze, [alice.byPasskey, carol.byPasskey]));
const freezesOf = (vault: Vault): Status['freezes'] =>
  (call(vault, 'status', {}) as unknown as Status).freezes;
const pay = (network = EVM, token = NATIVE) => {
  const asset = token === NATIVE ? `${network}/slip44:60` : `${network}/erc20:${token}`;
  const destination = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359';
  return evmRequest({
    network,
    token,
    orders: [orderJson({ orderNumber: nextOrder(), asset, destination })],
  });
};
let next = 0;
/** A vault of its own for each test: same people, nothing frozen there or at its peers. */
function fresh(): Vault {
  for (const vault of quorum.vaults) {
    const ids = freezesOf(vault).map(({ id }) => new Uint8Array(Buffer.from(id, 'hex')));
    if (ids.length > 0) assert.ok(lift(vault, unfreezeOf(ids.map((id) => freezeOf({ id })))).ok);
  }
  const vault = quorum.vaults[next++ % quorum.vaults.length];
  assert.ok(vault);
  return vault;
}

test('one operator stops everything; two start it again; nothing else does', () => {
  const vault = fresh();
  const request = pay();
  assert.ok(signed(vault, request).signature);
  const freeze = freezeOf();
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freeze, [alice.byKey])).ok);
  // A signature that was given before is not given again either.
  refused(vault, request, 'FROZEN');
  refused(vault, pay(EVM2), 'FROZEN');
  const unfreeze = unfreezeOf([freeze]);
  const hopeless: [string, Parameters<typeof signedBy>[2]][] = [
    ['QUORUM_MISSING', [bob.byPasskey]],
    ['SIGNATURE_REFUSED', [alice.byKey, bob.byKey]],
    ['SIGNATURE_REFUSED', [bob.byPasskey, bob.byPasskey]],
    ['NOT_IN_ROSTER', [bob.byPasskey, sentinel.byPasskey]],
    ['ASSERTION_REFUSED', [bob.byPasskey, (digest) => carol.byPasskey(digest, 'https://core.example')]],
    ['ASSERTION_REFUSED', [bob.byPasskey, () => carol.byPasskey(randomBytes(32))]],
    ['ASSERTION_REFUSED', [bob.byPasskey, person('carol', carol.entry.guardian).byPasskey]],
  ];
  for (const [code, signers] of hopeless) {
    assert.equal(call(vault, 'unfreeze', signedBy(unfreezeDocument, unfreeze, signers))['code'], code);
  }
  refused(vault, request, 'FROZEN');
  assert.ok(
    call(vault, 'unfreeze', signedBy(unfreezeDocument, unfreeze, [bob.byPasskey, carol.byPasskey])).ok,
  );
  assert.ok(signed(vault, request).signature);
});

test('a scope stops what is in it and no more; the sentinel may', () => {
  const vault = fresh();
  const by = sentinel.id;
  const network = freezeOf({ scope: EVM2, by });
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, network, [sentinel.byKey])).ok);
  refused(vault, pay(EVM2), 'FROZEN');
  assert.ok(signed(vault, pay(EVM)).signature);
  const asset = freezeOf({ scope: `${EVM}/erc20:${USDT}` });
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, asset, [alice.byKey])).ok);
  refused(vault, pay(EVM, USDT), 'FROZEN');
  assert.ok(signed(vault, pay(EVM)).signature);
  assert.ok(lift(vault, unfreezeOf([network])).ok);
  assert.ok(signed(vault, pay(EVM2)).signature);
  refused(vault, pay(EVM, USDT), 'FROZEN');
});

test('freezes that are refused', () => {
  const vault = fresh();
  const bad: [string, object][] = [
    ['NOT_IN_ROSTER', signedBy(freezeDocument, freezeOf({ by: 'mallory' }), [person('mallory', '').byKey])],
    ['SIGNATURE_REFUSED', signedBy(freezeDocument, freezeOf(), [bob.byKey])],
    ['SIGNATURE_REFUSED', signedBy(freezeDocument, freezeOf(), [person('alice', '').byKey])],
    ['SIGNATURE_REFUSED', signedBy(freezeDocument, freezeOf(), [alice.byPasskey])],
    ['SIGNATURE_REFUSED', signedBy(freezeDocument, freezeOf(), [alice.byKey, bob.byKey])],
    ['WRONG_EPOCH', signedBy(freezeDocument, freezeOf({ epoch: 2 }), [alice.byKey])],
    ['SCOPE_UNKNOWN', signedBy(freezeDocument, freezeOf({ scope: 'eip155:1' }), [alice.byKey])],
    ['DOCUMENT_STALE', signedBy(freezeDocument, freezeOf({ issuedAt: nowSeconds() - 601n }), [alice.byKey])],
    ['DOCUMENT_STALE', signedBy(freezeDocument, freezeOf({ issuedAt: nowSeconds() + 121n }), [alice.byKey])],
    ['MALFORMED', { document: {}, signatures: [] }],
    ['MALFORMED', { ...signedBy(freezeDocument, freezeOf(), [alice.byKey]), note: '' }],
  ];
  for (const [code, body] of bad) assert.equal(call(vault, 'freeze', body)['code'], code);
  assert.deepEqual(freezesOf(vault), []);
  assert.ok(signed(vault, pay()).signature);
});

test('again is no error and no entry; a lifted one never comes back, even to a signer that had not seen it', () => {
  const vault = fresh();
  const freeze = freezeOf();
  const kept = signedBy(freezeDocument, freeze, [alice.byKey]);
  assert.ok(call(vault, 'freeze', kept).ok);
  const head = call(vault, 'status', {})['journal'];
  assert.ok(call(vault, 'freeze', kept).ok);
  assert.deepEqual(call(vault, 'status', {})['journal'], head);
  const unfreeze = signedBy(unfreezeDocument, unfreezeOf([freeze]), [alice.byPasskey, bob.byPasskey]);
  assert.ok(call(vault, 'unfreeze', unfreeze).ok);
  assert.ok(call(vault, 'unfreeze', unfreeze).ok, 'the same again, with the counters of before');
  assert.equal(call(vault, 'freeze', kept)['code'], 'FREEZE_LIFTED');
  const late = fresh();
  assert.ok(
    call(late, 'unfreeze', signedBy(unfreezeDocument, unfreezeOf([freeze]), [bob.byPasskey, carol.byPasskey]))
      .ok,
  );
  assert.equal(call(late, 'freeze', kept)['code'], 'FREEZE_LIFTED');
});

test('a freeze that was acknowledged stands, though an unfreeze of the same person’s earlier one was under way', () => {
  const vault = fresh();
  const [first, second] = [freezeOf(), freezeOf()];
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, first, [alice.byKey])).ok);
  const kept = signedBy(unfreezeDocument, unfreezeOf([first]), [bob.byPasskey, carol.byPasskey]);
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, second, [alice.byKey])).ok);
  assert.ok(call(vault, 'unfreeze', kept).ok);
  refused(vault, pay(), 'FROZEN');
});

test('of one person and scope eight stand at most, and whoever adds to them is told', () => {
  const vault = fresh();
  const answers = Array.from({ length: 9 }, () =>
    call(vault, 'freeze', signedBy(freezeDocument, freezeOf(), [alice.byKey])),
  );
  assert.deepEqual(
    answers.map((answer) => answer['code']),
    [...Array.from({ length: 8 }, () => undefined), 'FREEZES_TOO_MANY'],
  );
  assert.equal(freezesOf(vault).length, 8);
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freezeOf({ by: 'bob' }), [bob.byKey])).ok);
});

test('an unfreeze that was taken does nothing a second time, to whomever it restored or suspended', () => {
  const vault = fresh();
  const by = [bob.byPasskey, carol.byPasskey];
  const freeze = freezeOf({ by: 'bob' });
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freeze, [bob.byKey])).ok);
  const suspension = signedBy(unfreezeDocument, unfreezeOf([freeze], { suspend: ['bob'] }), by);
  const restoration = signedBy(unfreezeDocument, unfreezeOf([], { restore: ['bob'] }), by);
  assert.ok(call(vault, 'unfreeze', suspension).ok);
  assert.ok(call(vault, 'unfreeze', restoration).ok);
  assert.equal(call(vault, 'unfreeze', suspension)['code'], 'DOCUMENT_STALE');
  assert.ok(call(vault, 'unfreeze', restoration).ok, 'it holds already');
  assert.ok(lift(vault, unfreezeOf([], { suspend: ['bob'], reason: 'once more' })).ok);
  assert.equal(call(vault, 'unfreeze', restoration)['code'], 'DOCUMENT_STALE');
  const again = call(vault, 'freeze', signedBy(freezeDocument, freezeOf({ by: 'bob' }), [bob.byKey]));
  assert.equal(again['code'], 'SUSPENDED');
  assert.ok(lift(vault, unfreezeOf([], { restore: ['bob'], reason: 'once more' })).ok);
});

test('who freezes in a loop is suspended by the quorum that lifts, and restored by one', () => {
  const vault = fresh();
  const freeze = freezeOf({ by: 'bob' });
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freeze, [bob.byKey])).ok);
  assert.ok(lift(vault, unfreezeOf([freeze], { suspend: ['bob'] })).ok);
  const again = (): unknown =>
    call(vault, 'freeze', signedBy(freezeDocument, freezeOf({ by: 'bob' }), [bob.byKey]))['code'];
  assert.equal(again(), 'SUSPENDED');
  assert.ok(signed(vault, pay()).signature);
  assert.ok(lift(vault, unfreezeOf([], { restore: ['bob'] })).ok);
  assert.equal(again(), undefined);
});

test('an unfreeze does not outlast its expiry, names nobody outside the roster, and is for one epoch', () => {
  const vault = fresh();
  const freeze = freezeOf();
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, freeze, [alice.byKey])).ok);
  assert.equal(lift(vault, unfreezeOf([freeze], { expiry: nowSeconds() }))['code'], 'DOCUMENT_STALE');
  assert.equal(
    lift(vault, unfreezeOf([freeze], { expiry: nowSeconds() + 604_801n }))['code'],
    'DOCUMENT_STALE',
  );
  assert.equal(lift(vault, unfreezeOf([freeze], { suspend: ['mallory'] }))['code'], 'NOT_IN_ROSTER');
  assert.equal(lift(vault, unfreezeOf([freeze], { epoch: 2 }))['code'], 'WRONG_EPOCH');
  refused(vault, pay(), 'FROZEN');
});

test('all of it outlives a restart', (t) => {
  const own = makeQuorum({ signers: 1, threshold: 1 });
  t.after(() => rmSync(own.folders[0]!, { recursive: true }));
  const [vault] = own.vaults;
  assert.ok(vault);
  const [lifted, standing] = [freezeOf(), freezeOf({ scope: REGTEST, by: 'carol' })];
  const kept = signedBy(freezeDocument, lifted, [alice.byKey]);
  assert.ok(call(vault, 'freeze', kept).ok);
  assert.ok(lift(vault, unfreezeOf([lifted], { suspend: ['bob'] })).ok);
  assert.ok(call(vault, 'freeze', signedBy(freezeDocument, standing, [carol.byKey])).ok);
  vault.close();
  const again = own.reopen(0);
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  assert.deepEqual(
    freezesOf(again).map(({ scope, by }) => [scope, by]),
    [[REGTEST, 'carol']],
  );
  assert.equal(call(again, 'freeze', kept)['code'], 'FREEZE_LIFTED');
  assert.equal(
    call(again, 'freeze', signedBy(freezeDocument, freezeOf({ by: 'bob' }), [bob.byKey]))['code'],
    'SUSPENDED',
  );
  assert.ok(lift(again, unfreezeOf([standing])).ok);
  again.close();
});
