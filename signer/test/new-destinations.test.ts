// Proves that what customers are led to sign to a new address is capped, for each and for all together, for the quorum as a
// whole and after a restart; and that neither core's word nor a payment that was never signed makes an address old.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { toHex } from '../protocol/canonical.ts';
import { enrolmentDocument } from '../protocol/enrolment.ts';
import type { EvmPayRequest } from '../protocol/messages.ts';
import { encodeOrder, parseOrderJson, type OrderJson } from '../protocol/order.ts';
import { isTighter, policyDocument, type Policy } from '../protocol/policy.ts';
import type { Vault } from '../vault/vault.ts';
import { CUSTOMER_ORIGIN, sha256 } from './people.ts';
import {
  EVM,
  PASSPHRASE,
  call,
  callThrough,
  evmRequest,
  makeQuorum,
  policyOf,
  refused,
  signed,
  type Quorum,
} from './quorum.ts';

const ASSET = `${EVM}/slip44:60`;
const DAY = 86_400;
const HOLD = 7 * DAY;
const THIEF = '0x5B38Da6a701c568545dCfcB03FcB875f56beddC4';
const newDestinations = [{ asset: ASSET, seconds: DAY, customerMax: 20n, allMax: 30n }];

interface Customer {
  readonly id: string;
  readonly passkey: Authenticator;
}

const hexed = (assertion: ReturnType<Authenticator['assert']>): Record<string, string> =>
  Object.fromEntries(Object.entries(assertion).map(([name, bytes]) => [name, toHex(bytes)]));

/** Customers whose hold is over at every signer. */
function enrolled({ vaults, clock }: Quorum, count: number): Customer[] {
  const customers = Array.from({ length: count }, () => {
    const passkey = openAuthenticator(randomBytes(32));
    const id = randomBytes(16).toString('hex');
    const document = { customer: Buffer.from(id, 'hex'), key: passkey.publicKey, ends: [] };
    const digest = enrolmentDocument.digest(document, sha256);
    const by = { kind: 'passkey', by: 'new', ...hexed(passkey.assert(digest, CUSTOMER_ORIGIN)) };
    const body = { document: enrolmentDocument.toJson(document), signatures: [by] };
    for (const vault of vaults) assert.ok(call(vault, 'enrolment', body).ok);
    return { id, passkey };
  });
  clock.nowMs += HOLD * 1000;
  return customers;
}

/** Payments in one transaction, signed by these customers, or on core's word. */
function pay(
  { clock }: Quorum,
  asks: readonly { readonly of: Customer; readonly amount: number; readonly to?: string }[],
  isSigned = true,
): EvmPayRequest {
  const now = Math.floor(clock.nowMs / 1000);
  const all = asks.map(({ of, amount, to }) => {
    const fields: Partial<OrderJson> = {
      customer: of.id,
      amount: String(amount),
      expiry: String(now + 3600),
      ...(to === undefined ? {} : { destination: to }),
    };
    const [order] = evmRequest({}, fields).orders;
    const parsed = parseOrderJson(order);
    assert.ok(order && parsed.ok);
    const made = hexed(of.passkey.assert(sha256(encodeOrder(parsed.value)), CUSTOMER_ORIGIN));
    return { order, assertion: { order: order.orderNumber, key: toHex(of.passkey.publicKey), ...made } };
  });
  const assertions = all.map(({ assertion }) => assertion) as unknown as NonNullable<
    EvmPayRequest['assertions']
  >;
  const request = { deadline: String(now + 600), orders: all.map(({ order }) => order) };
  return evmRequest(isSigned ? { ...request, assertions } : request);
}

function quorumOf(t: TestContext, policy: Partial<Policy> = {}): Quorum {
  const quorum = makeQuorum({ policy: { newDestinations, ...policy } });
  t.after(quorum.close);
  return quorum;
}

test('a page that leads many customers to one address gets the cap of all, each of them the cap of one', (t) => {
  const quorum = quorumOf(t);
  const [first] = quorum.vaults;
  const customers = enrolled(quorum, 5);
  const [alice, bob, carol] = customers;
  assert.ok(first && alice && bob && carol);
  refused(first, pay(quorum, [{ of: alice, amount: 21, to: THIEF }]), 'NEW_DESTINATION');
  signed(first, pay(quorum, [{ of: alice, amount: 20, to: THIEF }]));
  refused(first, pay(quorum, [{ of: alice, amount: 1, to: THIEF }]), 'NEW_DESTINATION');
  const together = customers.slice(1).map((of) => ({ of, amount: 3, to: THIEF }));
  refused(first, pay(quorum, together), 'NEW_DESTINATION');
  signed(first, pay(quorum, [{ of: bob, amount: 10, to: THIEF }]));
  refused(first, pay(quorum, [{ of: carol, amount: 1, to: THIEF }]), 'NEW_DESTINATION');
});

test('an address is new until the hold is over, to each customer by themselves', (t) => {
  const quorum = quorumOf(t);
  const [first] = quorum.vaults;
  const [alice, bob] = enrolled(quorum, 2);
  assert.ok(first && alice && bob);
  signed(first, pay(quorum, [{ of: alice, amount: 1 }]));
  quorum.clock.nowMs += HOLD * 1000 - 1;
  refused(first, pay(quorum, [{ of: alice, amount: 500 }]), 'NEW_DESTINATION');
  quorum.clock.nowMs += 1;
  signed(first, pay(quorum, [{ of: alice, amount: 500 }]));
  refused(first, pay(quorum, [{ of: alice, amount: 21, to: THIEF }]), 'NEW_DESTINATION');
  refused(first, pay(quorum, [{ of: bob, amount: 21 }]), 'NEW_DESTINATION');
});

test('core’s word makes no address old, nor does a payment that peers refused', (t) => {
  const quorum = quorumOf(t);
  const [first, second] = quorum.vaults;
  assert.ok(first && second);
  const stranger = { id: randomBytes(16).toString('hex'), passkey: openAuthenticator(randomBytes(32)) };
  signed(first, pay(quorum, [{ of: stranger, amount: 1, to: THIEF }], false));
  const body = { customer: Buffer.from(stranger.id, 'hex'), key: stranger.passkey.publicKey, ends: [] };
  const digest = enrolmentDocument.digest(body, sha256);
  const by = { kind: 'passkey', by: 'new', ...hexed(stranger.passkey.assert(digest, CUSTOMER_ORIGIN)) };
  for (const vault of quorum.vaults)
    assert.ok(call(vault, 'enrolment', { document: enrolmentDocument.toJson(body), signatures: [by] }).ok);
  quorum.clock.nowMs += HOLD * 1000;
  refused(first, pay(quorum, [{ of: stranger, amount: 21, to: THIEF }]), 'NEW_DESTINATION');
  const lonely = callThrough(first, 'sign', pay(quorum, [{ of: stranger, amount: 5, to: THIEF }]), []);
  assert.equal(lonely['code'], 'NOT_COUNTERSIGNED');
  quorum.clock.nowMs += HOLD * 1000;
  refused(first, pay(quorum, [{ of: stranger, amount: 21, to: THIEF }]), 'NEW_DESTINATION');
});

test('the cap holds for the quorum as a whole: three pairs of three signers', (t) => {
  const quorum = quorumOf(t);
  const [a, b, c] = quorum.vaults;
  const [alice, bob] = enrolled(quorum, 2);
  assert.ok(a && b && c && alice && bob);
  for (const vault of quorum.vaults) signed(vault, pay(quorum, [{ of: alice, amount: 1 }]));
  const ask = (vault: Vault, peer: Vault, of: Customer, amount: number): unknown =>
    callThrough(vault, 'sign', pay(quorum, [{ of, amount }]), [peer])['code'] ?? 'signed';
  assert.equal(ask(a, b, alice, 17), 'signed');
  assert.equal(ask(c, b, bob, 11), 'NOT_COUNTERSIGNED');
  assert.equal(ask(b, c, bob, 11), 'NEW_DESTINATION');
  assert.equal(ask(c, b, bob, 10), 'signed');
  assert.notEqual(ask(a, c, bob, 1), 'signed');
});

test('what was paid, and since when, outlives a restart', (t) => {
  const quorum = makeQuorum({ signers: 1, threshold: 1, policy: { newDestinations } });
  t.after(() => rmSync(quorum.folders[0]!, { recursive: true }));
  const [vault] = quorum.vaults;
  const [alice] = enrolled(quorum, 1);
  assert.ok(vault && alice);
  signed(vault, pay(quorum, [{ of: alice, amount: 20 }]));
  vault.close();
  const again = quorum.reopen(0);
  t.after(() => again.close());
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  refused(again, pay(quorum, [{ of: alice, amount: 1 }]), 'NEW_DESTINATION');
  quorum.clock.nowMs += HOLD * 1000;
  signed(again, pay(quorum, [{ of: alice, amount: 500 }]));
});

test('a policy is looser if the cap rises, shortens its span or goes', (t) => {
  const { manifest } = quorumOf(t);
  const now = policyOf(manifest, { newDestinations });
  const [cap] = newDestinations;
  const changed = (fields: object): Policy =>
    policyDocument.normal({ ...now, newDestinations: [{ ...cap!, ...fields }] });
  assert.ok(isTighter(now, policyOf(manifest)));
  assert.ok(isTighter(changed({ allMax: 0n, customerMax: 0n, seconds: 2 * DAY }), now));
  for (const fields of [{ allMax: 31n }, { customerMax: 21n }, { seconds: DAY - 1 }])
    assert.ok(!isTighter(changed(fields), now));
  assert.ok(!isTighter(policyOf(manifest), now));
});
