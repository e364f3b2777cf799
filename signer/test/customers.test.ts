// Proves that customers authorise their orders themselves: a credential signs nothing before its hold is over, an order
// is signed by nobody in a customer's stead once they have one, and what rests on core's word stays in its own caps.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { toHex } from '../protocol/canonical.ts';
import { enrolmentDocument } from '../protocol/enrolment.ts';
import { encodeOrder, parseOrderJson, type OrderJson } from '../protocol/order.ts';
import type { EvmPayRequest } from '../protocol/messages.ts';
import type { Policy } from '../protocol/policy.ts';
import type { Vault } from '../vault/vault.ts';
import { CUSTOMER_ORIGIN, ORIGIN, sha256 } from './people.ts';
import {
  EVM,
  PASSPHRASE,
  bitcoinRequest,
  call,
  callThrough,
  evmRequest,
  makeQuorum,
  nextOrder,
  orderJson,
  payment,
  refused,
  signed,
} from './quorum.ts';

const ETHER = 10n ** 18n;
const ASSET = `${EVM}/slip44:60`;
const HOLD_MS = 7 * 86_400_000;
const RECOVERY_MS = 14 * 86_400_000;

const limits: Partial<Policy> = {
  tiers: [
    { asset: ASSET, tier: 'unproven', seconds: 86_400, customerMax: ETHER, allMax: 2n * ETHER },
    { asset: ASSET, tier: 'unfunded', seconds: 86_400, customerMax: 3n * ETHER, allMax: 5n * ETHER },
  ],
};
const quorum = makeQuorum({ policy: limits });
after(quorum.close);
const { clock } = quorum;
const [first, second, third] = quorum.vaults;
assert.ok(first && second && third);

interface Customer {
  readonly id: string;
  readonly passkey: Authenticator;
}

const somebody = (): Customer => ({ id: randomBytes(16).toString('hex'), passkey: passkey() });
const passkey = (): Authenticator => openAuthenticator(randomBytes(32));

interface Enrolling {
  readonly id: string;
  readonly passkey: Authenticator;
  readonly old?: Authenticator;
  readonly ends?: readonly Authenticator[];
  readonly origin?: string;
}

/** What core passes on of an enrolment. */
function enrolmentOf({ id, passkey: fresh, old, ends = [], origin = CUSTOMER_ORIGIN }: Enrolling): object {
  const enrolment = enrolmentDocument.normal({
    customer: Buffer.from(id, 'hex'),
    key: fresh.publicKey,
    ends: ends.map(({ publicKey }) => publicKey),
  });
  const digest = enrolmentDocument.digest(enrolment, sha256);
  const by = (name: string, one: Authenticator): object => ({
    kind: 'passkey',
    by: name,
    ...hexed(one.assert(digest, origin)),
  });
  const signatures = [by('new', fresh), ...(old === undefined ? [] : [by('old', old)])];
  return { document: enrolmentDocument.toJson(enrolment), signatures };
}

const hexed = (assertion: ReturnType<Authenticator['assert']>): Record<string, string> =>
  Object.fromEntries(Object.entries(assertion).map(([name, bytes]) => [name, toHex(bytes)]));

function enrol(enrolling: Enrolling): void {
  for (const vault of quorum.vaults) {
    const answer = call(vault, 'enrolment', enrolmentOf(enrolling));
    assert.ok(answer.ok, JSON.stringify(answer));
  }
}

function enrolled(): Customer {
  const customer = somebody();
  enrol(customer);
  clock.nowMs += HOLD_MS;
  return customer;
}

/** A payment of ether for this customer, signed by whoever; nobody: on core's word. */
function pay(
  { id }: Pick<Customer, 'id'>,
  by?: Authenticator,
  fields: Partial<OrderJson> & { readonly origin?: string } = {},
): EvmPayRequest {
  const { origin = CUSTOMER_ORIGIN, ...order } = fields;
  const now = Math.floor(clock.nowMs / 1000);
  const request = evmRequest(
    { deadline: String(now + 600) },
    {
      orderNumber: nextOrder(),
      customer: id,
      amount: ETHER.toString(),
      expiry: String(now + 86_400),
      ...order,
    },
  );
  return by === undefined
    ? request
    : { ...request, assertions: [assertionOf(request.orders[0]!, by, origin)] };
}

function assertionOf(order: OrderJson, by: Authenticator, origin = CUSTOMER_ORIGIN) {
  const parsed = parseOrderJson(order);
  assert.ok(parsed.ok);
  const assertion = hexed(by.assert(sha256(encodeOrder(parsed.value)), origin));
  return { order: order.orderNumber, key: toHex(by.publicKey), ...assertion } as NonNullable<
    EvmPayRequest['assertions']
  >[number];
}

const codeOf = (vault: Vault, request: unknown): unknown => {
  const answer = callThrough(vault, 'sign', request);
  return answer.ok ? 'signed' : answer['code'];
};

test('a credential signs once its hold is over; then nothing is signed in its customer’s stead', () => {
  const customer = somebody();
  enrol(customer);
  assert.equal(codeOf(first, pay(customer, customer.passkey)), 'signed', 'unproven, within those caps');
  clock.nowMs += HOLD_MS - 1;
  assert.equal(
    codeOf(first, pay(customer)),
    'signed',
    'in its hold core’s word is still enough for the small caps',
  );
  clock.nowMs += 1;
  refused(first, pay(customer), 'ASSERTION_MISSING');
  assert.ok(signed(first, pay(customer, customer.passkey)).signature);
});

test('an assertion stands for one order, by the customer’s own credential, on their own origin', () => {
  const [alice, mallory] = [enrolled(), enrolled()];
  const request = pay(alice, alice.passkey);
  const [assertion] = request.assertions!;
  const bend = (fields: Partial<OrderJson>): EvmPayRequest => ({
    ...request,
    orders: [{ ...request.orders[0]!, ...fields }],
  });
  refused(first, bend({ destination: '0x52908400098527886E0F7030069857D2E4169EE7' }), 'ASSERTION_REFUSED');
  refused(first, bend({ amount: '1' }), 'ASSERTION_REFUSED');
  refused(first, bend({ maxFee: '1' }), 'ASSERTION_REFUSED');
  refused(first, pay(alice, mallory.passkey), 'CREDENTIAL_UNKNOWN');
  const named = { ...assertionOf(request.orders[0]!, mallory.passkey), key: assertion!.key };
  refused(first, { ...request, assertions: [named] }, 'ASSERTION_REFUSED');
  refused(first, pay(alice, alice.passkey, { origin: ORIGIN }), 'ASSERTION_REFUSED');
  refused(first, pay(alice, alice.passkey, { origin: 'https://core.example' }), 'ASSERTION_REFUSED');
  const another = { ...pay(alice), assertions: [assertion!] };
  refused(first, another, 'ASSERTION_MISSING');
  refused(first, { ...request, assertions: [{ ...assertion!, more: 1 }] }, 'MALFORMED');
  assert.ok(signed(first, request).signature);
  assert.ok(signed(second, request).signature);
});

test('a replacement of what was authorised asks nobody again; another transaction for a stranger’s order does', () => {
  const customer = enrolled();
  const order = orderJson({ customer: customer.id, expiry: String(Math.floor(clock.nowMs / 1000) + 86_400) });
  const parts = { ...payment(quorum.manifest), orders: [order] };
  const request = bitcoinRequest(quorum.manifest, parts);
  refused(first, request, 'ASSERTION_MISSING');
  const assertions = [assertionOf(order, customer.passkey)];
  assert.ok(signed(first, { ...request, assertions }).psbt);
  const dearer = bitcoinRequest(quorum.manifest, { ...parts, change: { index: 9, value: 40_000n } });
  assert.ok(signed(first, dearer).psbt, 'the same order, the same coin, a higher fee');
  refused(second, dearer, 'ASSERTION_MISSING');
  assert.ok(signed(second, { ...dearer, assertions }).psbt);
});

test('core enrols a thief’s passkey for a customer who has one: it waits longer, and the customer ends it', () => {
  const alice = enrolled();
  const thief = passkey();
  enrol({ id: alice.id, passkey: thief, ends: [alice.passkey] });
  clock.nowMs += HOLD_MS;
  refused(first, pay(alice, thief), 'ASSERTION_MISSING');
  assert.equal(codeOf(first, pay(alice, alice.passkey)), 'signed');
  const next = passkey();
  enrol({ id: alice.id, passkey: next, old: alice.passkey, ends: [thief] });
  refused(first, pay(alice, thief), 'CREDENTIAL_UNKNOWN');
  clock.nowMs += RECOVERY_MS;
  refused(first, pay(alice, thief), 'CREDENTIAL_UNKNOWN');
  assert.equal(codeOf(first, pay(alice, next)), 'signed');
});

test('without the old credential a new one takes over after the longer hold, and not before', () => {
  const alice = enrolled();
  const found = passkey();
  enrol({ id: alice.id, passkey: found, ends: [alice.passkey] });
  clock.nowMs += RECOVERY_MS - 1;
  refused(first, pay(alice, found), 'ASSERTION_MISSING');
  clock.nowMs += 1;
  assert.equal(codeOf(first, pay(alice, found)), 'signed');
  refused(first, pay(alice, alice.passkey), 'CREDENTIAL_UNKNOWN');
});

test('enrolments that are refused, and the same again', () => {
  const alice = enrolled();
  const bob = enrolled();
  const refuse = (body: unknown, code: string): void =>
    assert.equal(call(first, 'enrolment', body)['code'], code);
  refuse(enrolmentOf({ id: alice.id, passkey: passkey(), old: bob.passkey }), 'ASSERTION_REFUSED');
  refuse(enrolmentOf({ id: alice.id, passkey: passkey(), origin: ORIGIN }), 'ASSERTION_REFUSED');
  refuse(enrolmentOf({ id: alice.id, passkey: passkey(), ends: [bob.passkey] }), 'CREDENTIAL_UNKNOWN');
  const honest = enrolmentOf({ id: alice.id, passkey: passkey() }) as {
    document: object;
    signatures: object[];
  };
  refuse({ ...honest, document: { ...honest.document, customer: bob.id } }, 'ASSERTION_REFUSED');
  refuse({ ...honest, signatures: [{ ...honest.signatures[0], by: 'old' }] }, 'SIGNATURE_REFUSED');
  refuse({ ...honest, signatures: [honest.signatures[0], honest.signatures[0]] }, 'SIGNATURE_REFUSED');
  refuse({ ...honest, document: { ...honest.document, key: `02${'ff'.repeat(32)}` } }, 'MALFORMED');
  const before = call(first, 'status', {})['journal'];
  assert.ok(call(first, 'enrolment', enrolmentOf(alice)).ok);
  assert.deepEqual(call(first, 'status', {})['journal'], before, 'the same again is no entry');
  for (let i = 0; i < 15; i += 1)
    assert.ok(call(first, 'enrolment', enrolmentOf({ id: alice.id, passkey: passkey() })).ok);
  refuse(enrolmentOf({ id: alice.id, passkey: passkey() }), 'CREDENTIALS_TOO_MANY');
});

test('caps: of one customer, of all together, in each tier by itself; the quorum counts together', () => {
  clock.nowMs += 30 * 86_400_000;
  const [poor, other, more] = [somebody(), somebody(), somebody()];
  assert.equal(codeOf(first, pay(poor)), 'signed');
  refused(first, pay(poor), 'TIER_CUSTOMER');
  refused(second, pay(poor), 'TIER_CUSTOMER');
  assert.equal(codeOf(second, pay(other)), 'signed');
  refused(third, pay(more), 'TIER_ALL');
  clock.nowMs += 86_400_000;
  const batch = pay(somebody());
  const twice = { ...batch, orders: [batch.orders[0]!, { ...batch.orders[0]!, orderNumber: nextOrder() }] };
  refused(first, twice, 'TIER_CUSTOMER');
  const [rich, richer] = [enrolled(), enrolled()];
  clock.nowMs += 86_400_000;
  for (let i = 0; i < 3; i += 1) assert.equal(codeOf(first, pay(rich, rich.passkey)), 'signed');
  refused(first, pay(rich, rich.passkey), 'TIER_CUSTOMER');
  for (let i = 0; i < 2; i += 1) assert.equal(codeOf(second, pay(richer, richer.passkey)), 'signed');
  refused(third, pay(richer, richer.passkey), 'TIER_ALL');
  assert.equal(codeOf(third, pay(somebody())), 'signed', 'the other tier has room of its own');
  clock.nowMs += 86_400_000;
  assert.equal(codeOf(first, pay(poor)), 'signed');
});

test('orders of the house, on core’s word alone, stay in caps of their own', () => {
  clock.nowMs += 2 * 86_400_000;
  const house = (amount: bigint): EvmPayRequest =>
    pay({ id: '00'.repeat(16) }, undefined, { kind: 'house', amount: amount.toString() });
  refused(first, house(1n), 'NOT_IN_POLICY');
  const tier = { asset: ASSET, tier: 'house', seconds: 86_400, customerMax: ETHER, allMax: ETHER } as const;
  const allowing = makeQuorum({ policy: { tiers: [...(limits.tiers ?? []), tier] } });
  try {
    const [one, two] = allowing.vaults;
    assert.ok(one && two);
    allowing.clock.nowMs = clock.nowMs;
    assert.equal(codeOf(one, house(ETHER / 2n)), 'signed');
    assert.equal(codeOf(two, house(ETHER / 2n)), 'signed');
    assert.equal(codeOf(two, house(1n)), 'TIER_CUSTOMER');
  } finally {
    allowing.close();
  }
});

test('all of it outlives a restart', () => {
  const customer = enrolled();
  assert.equal(codeOf(first, pay(customer, customer.passkey)), 'signed');
  first.close();
  const again = quorum.reopen(0);
  (quorum.vaults as Vault[])[0] = again;
  assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
  refused(again, pay(customer), 'ASSERTION_MISSING');
  assert.equal(codeOf(again, pay(customer, customer.passkey)), 'signed');
  assert.equal(codeOf(again, pay(customer, customer.passkey)), 'signed');
  refused(again, pay(customer, customer.passkey), 'TIER_CUSTOMER');
});
