// Proves that signers certify only addresses that they derive themselves, each for one customer for ever; that a deposit
// counts only where its address was certified with a credential before; and that what is paid in backs orders once.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, test } from 'node:test';
import * as bitcoin from 'bitcoinjs-lib';
import { getCreate2Address, recoverAddress, type Hex } from 'viem';
import { openAuthenticator, type Authenticator } from '../../world/people/authenticator.ts';
import { encodeAddressLeaf, leafHash, merkleRoot } from '../protocol/address-leaf.ts';
import { toHex } from '../protocol/canonical.ts';
import { certificateDocument, parseCertifyAnswer, type CertifyLeaf } from '../protocol/certificates.ts';
import { depositsDocument, parseDepositsAnswer, type Deposit } from '../protocol/deposits.ts';
import { enrolmentDocument } from '../protocol/enrolment.ts';
import { encodeOrder, parseOrderJson } from '../protocol/order.ts';
import type { EvmPayRequest } from '../protocol/messages.ts';
import type { Policy } from '../protocol/policy.ts';
import type { Vault } from '../vault/vault.ts';
import { CUSTOMER_ORIGIN, sha256, signedBy } from './people.ts';
import { bigEndian, domain, unhex } from './plain-encoding.ts';
import {
  EVM,
  FACTORY,
  PASSPHRASE,
  REGTEST,
  call,
  callThrough,
  evmRequest,
  makeQuorum,
  nextOrder,
  witnessScript,
} from './quorum.ts';

const ETHER = 10n ** 18n;
const ASSET = `${EVM}/slip44:60`;
const HOLD_MS = 7 * 86_400_000;
const DAY = 86_400;
const FUNDED_SECONDS = 30 * DAY;
const NOBODY = '00'.repeat(32);

const policy: Partial<Policy> = {
  tiers: [
    { asset: ASSET, tier: 'unproven', seconds: DAY, customerMax: 0n, allMax: 0n },
    { asset: ASSET, tier: 'unfunded', seconds: DAY, customerMax: ETHER, allMax: ETHER },
    { asset: ASSET, tier: 'funded', seconds: DAY, customerMax: 50n * ETHER, allMax: 50n * ETHER },
  ],
  paidInSeconds: FUNDED_SECONDS,
};
const quorum = makeQuorum({ policy });
after(quorum.close);
const { clock, manifest } = quorum;
const [first, second] = quorum.vaults;
assert.ok(first && second);

interface Customer {
  readonly id: string;
  readonly passkey: Authenticator;
}

const hexed = (assertion: ReturnType<Authenticator['assert']>): Record<string, string> =>
  Object.fromEntries(Object.entries(assertion).map(([name, bytes]) => [name, toHex(bytes)]));

function enrolled(id = randomBytes(16).toString('hex')): Customer {
  const passkey = openAuthenticator(randomBytes(32));
  const enrolment = enrolmentDocument.normal({ customer: unhex(id), key: passkey.publicKey, ends: [] });
  const assertion = hexed(passkey.assert(enrolmentDocument.digest(enrolment, sha256), CUSTOMER_ORIGIN));
  const signatures = [{ kind: 'passkey', by: 'new', ...assertion }];
  for (const vault of quorum.vaults)
    assert.ok(call(vault, 'enrolment', { document: enrolmentDocument.toJson(enrolment), signatures }).ok);
  clock.nowMs += HOLD_MS;
  return { id, passkey };
}

/** Of one passkey, by hand: docs/decisions/0001. */
const setOf = ({ passkey }: Customer): string =>
  toHex(
    sha256(
      Buffer.concat([
        domain('portcullis/credential-set/1'),
        bigEndian(1, 2),
        bigEndian(1, 1),
        sha256(passkey.publicKey),
      ]),
    ),
  );

const bitcoinAddress = (index: number): string => {
  const redeem = { output: witnessScript(manifest, 0, index) };
  const { address } = bitcoin.payments.p2wsh({ redeem, network: bitcoin.networks.regtest });
  assert.ok(address);
  return address;
};

const evmAddress = (id: string, counter: number): string => {
  const salt = sha256(Buffer.concat([domain('portcullis/deposit-salt/1'), unhex(id), bigEndian(counter, 4)]));
  const bytecodeHash: Hex = `0x${'1c'.repeat(32)}`;
  return getCreate2Address({ from: FACTORY, salt: `0x${toHex(salt)}`, bytecodeHash });
};

const onBitcoin = (id: string, index: number, credentialSetHash: string): CertifyLeaf => ({
  customer: id,
  index,
  address: bitcoinAddress(index),
  credentialSetHash,
});
const onEvm = (id: string, index: number, credentialSetHash: string): CertifyLeaf => ({
  customer: id,
  index,
  address: evmAddress(id, index),
  credentialSetHash,
});

const certify = (vault: Vault, network: string, leaves: readonly CertifyLeaf[], epoch = 1): unknown => {
  const answer = call(vault, 'certify', { epoch, network, leaves });
  const parsed = parseCertifyAnswer(answer);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.detail);
  return answer.ok ? 'certified' : answer['code'];
};

const headOf = (vault: Vault): string => (call(vault, 'status', {})['journal'] as { hash: string }).hash;

/** Ether paid in, in a block of now. */
const deposit = ({ id }: Customer, fields: Partial<Deposit> = {}): Deposit => ({
  id: randomBytes(32),
  output: 0xffff_ffff,
  customer: unhex(id),
  index: 0,
  asset: ASSET,
  amount: ETHER,
  at: BigInt(Math.floor(clock.nowMs / 1000)),
  ...fields,
});

const statement = (deposits: readonly Deposit[], by = quorum.sentinel, network = EVM): object =>
  signedBy(depositsDocument, depositsDocument.normal({ epoch: 1, network, by: by.id, deposits }), [by.byKey]);

/** How many count, at each signer; or the code of its refusal. */
function tell(body: object, vaults: readonly Vault[] = quorum.vaults): unknown {
  const answers = vaults.map((vault) => {
    const answer = call(vault, 'deposits', body);
    assert.ok(parseDepositsAnswer(answer).ok);
    return answer.ok ? answer['counted'] : answer['code'];
  });
  assert.equal(new Set(answers).size, 1, JSON.stringify(answers));
  return answers[0];
}

function pay({ id, passkey }: Customer, amount: bigint): EvmPayRequest {
  const now = Math.floor(clock.nowMs / 1000);
  const fields = {
    orderNumber: nextOrder(),
    customer: id,
    amount: amount.toString(),
    expiry: String(now + DAY),
  };
  const request = evmRequest({ deadline: String(now + 600) }, fields);
  const [order] = request.orders;
  assert.ok(order);
  const parsed = parseOrderJson(order);
  assert.ok(parsed.ok);
  const assertion = hexed(passkey.assert(sha256(encodeOrder(parsed.value)), CUSTOMER_ORIGIN));
  const one = { order: order.orderNumber, key: toHex(passkey.publicKey), ...assertion };
  return { ...request, assertions: [one as NonNullable<EvmPayRequest['assertions']>[number]] };
}

const codeOf = (vault: Vault, request: unknown): unknown => {
  const answer = callThrough(vault, 'sign', request);
  return answer.ok ? 'signed' : answer['code'];
};

/** A customer whose first EVM address every signer has certified. */
function certified(): Customer {
  const customer = enrolled();
  for (const vault of quorum.vaults)
    assert.equal(certify(vault, EVM, [onEvm(customer.id, 0, setOf(customer))]), 'certified');
  return customer;
}

test('a certificate: the root of what was derived, by each signer’s own key', async () => {
  const [alice, bob] = [enrolled(), enrolled()];
  for (const [network, leaves] of [
    [REGTEST, [onBitcoin(alice.id, 3, setOf(alice)), onBitcoin(bob.id, 4, setOf(bob))]],
    [EVM, [onEvm(alice.id, 0, setOf(alice)), onEvm(alice.id, 1, setOf(alice)), onEvm(bob.id, 0, setOf(bob))]],
  ] as const) {
    const hashes = leaves.map(({ address, index, credentialSetHash: set }) => {
      const leaf = { epoch: 1, network, address, index: BigInt(index), credentialSetHash: unhex(set) };
      return leafHash(encodeAddressLeaf(leaf), sha256);
    });
    const root = merkleRoot(hashes, sha256);
    const digest = certificateDocument.digest({ epoch: 1, network, root, count: leaves.length }, sha256);
    for (const [i, vault] of quorum.vaults.entries()) {
      const answer = call(vault, 'certify', { epoch: 1, network, leaves });
      assert.equal(answer['root'], toHex(root));
      const text = String(answer['signature']);
      const signature: Hex = `0x${text.slice(2)}${(27 + Number(text.slice(0, 2))).toString(16)}`;
      const by = await recoverAddress({ hash: `0x${toHex(digest)}`, signature });
      assert.equal(by, manifest.signers[i]?.evmAddress);
    }
  }
});

test('what is not derived here, or belongs to somebody else, is not certified, and changes nothing', () => {
  const [alice, mallory] = [enrolled(), enrolled()];
  const leaf = onBitcoin(alice.id, 20, setOf(alice));
  assert.equal(certify(first, REGTEST, [leaf]), 'certified');
  const head = headOf(first);
  assert.equal(certify(first, REGTEST, [leaf]), 'certified', 'the same again');
  assert.equal(headOf(first), head, 'and nothing new to write');
  const fresh = onBitcoin(alice.id, 21, setOf(alice));
  for (const [code, network, leaves, epoch] of [
    ['ADDRESS_BOUND', REGTEST, [onBitcoin(mallory.id, 20, setOf(mallory))]],
    ['ADDRESS_BOUND', REGTEST, [fresh, onBitcoin(mallory.id, 21, setOf(mallory))]],
    ['ADDRESS_BOUND', REGTEST, [fresh, fresh]],
    ['ADDRESS_DIFFERS', REGTEST, [{ ...fresh, address: bitcoinAddress(22) }]],
    ['ADDRESS_DIFFERS', REGTEST, [{ ...fresh, address: 'bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080' }]],
    [
      'ADDRESS_DIFFERS',
      EVM,
      [{ ...onEvm(alice.id, 0, setOf(alice)), customer: mallory.id, credentialSetHash: setOf(mallory) }],
    ],
    ['CREDENTIAL_SET_DIFFERS', REGTEST, [{ ...fresh, credentialSetHash: setOf(mallory) }]],
    ['CREDENTIAL_SET_DIFFERS', REGTEST, [{ ...fresh, credentialSetHash: NOBODY }]],
    ['CREDENTIAL_SET_DIFFERS', REGTEST, [onBitcoin(randomBytes(16).toString('hex'), 21, setOf(alice))]],
    ['INDEX_TOO_HIGH', REGTEST, [{ ...fresh, index: 100_001 }]],
    ['UNKNOWN_NETWORK', 'eip155:10', [fresh]],
    ['WRONG_EPOCH', REGTEST, [fresh], 2],
    ['MALFORMED', REGTEST, []],
    ['MALFORMED', REGTEST, Array.from({ length: 251 }, () => fresh)],
    ['MALFORMED', REGTEST, [{ ...fresh, customer: '00'.repeat(16) }]],
  ] as const)
    assert.equal(certify(first, network, leaves, epoch), code, JSON.stringify(leaves[0]));
  assert.equal(
    certify(first, REGTEST, [onBitcoin(mallory.id, 21, setOf(mallory))]),
    'certified',
    'still free',
  );
});

test('an address is certified anew when its customer has another credential, and stays theirs', () => {
  const id = randomBytes(16).toString('hex');
  assert.equal(certify(first, REGTEST, [onBitcoin(id, 30, NOBODY)]), 'certified', 'nobody has enrolled');
  const alice = enrolled(id);
  assert.equal(certify(first, REGTEST, [onBitcoin(id, 30, NOBODY)]), 'CREDENTIAL_SET_DIFFERS');
  assert.equal(certify(first, REGTEST, [onBitcoin(id, 30, setOf(alice))]), 'certified');
  const mallory = enrolled();
  assert.equal(certify(first, REGTEST, [onBitcoin(mallory.id, 30, setOf(mallory))]), 'ADDRESS_BOUND');
});

test('what was paid in backs orders above the caps of what was not, once', () => {
  const alice = certified();
  assert.equal(codeOf(first, pay(alice, 2n * ETHER)), 'TIER_CUSTOMER', 'nothing is paid in');
  const paid = [deposit(alice), deposit(alice, { amount: 2n * ETHER })];
  assert.equal(tell(statement(paid)), 2);
  const head = headOf(first);
  assert.equal(tell(statement(paid)), 2, 'told ten times, it counts once');
  assert.equal(headOf(first), head);
  assert.equal(codeOf(first, pay(alice, 3n * ETHER + 1n)), 'TIER_CUSTOMER');
  assert.equal(codeOf(first, pay(alice, 2n * ETHER)), 'signed');
  assert.equal(
    codeOf(second, pay(alice, 2n * ETHER)),
    'TIER_CUSTOMER',
    'peers count what the first has signed',
  );
  assert.equal(codeOf(second, pay(alice, ETHER)), 'signed', 'the rest');
  const request = pay(alice, ETHER);
  assert.equal(codeOf(second, request), 'signed', 'on the account of the unfunded');
  assert.equal(codeOf(first, pay(alice, 1n)), 'TIER_CUSTOMER', 'and nothing is left of that either');
});

test('several orders in one transaction share what is paid in', () => {
  clock.nowMs += 2 * DAY * 1000;
  const alice = certified();
  assert.equal(tell(statement([deposit(alice, { amount: 2n * ETHER })])), 1);
  const [one, two, three] = [pay(alice, ETHER), pay(alice, ETHER), pay(alice, 2n * ETHER)];
  const together = (...requests: EvmPayRequest[]): EvmPayRequest => ({
    ...one,
    orders: requests.flatMap(({ orders }) => orders),
    assertions: requests.flatMap(({ assertions }) => assertions ?? []),
  });
  assert.equal(codeOf(first, together(one, two, three)), 'TIER_CUSTOMER');
  assert.equal(codeOf(first, together(one, two)), 'signed');
});

test('a deposit counts for nobody else, not before its address was certified, and not for ever', () => {
  clock.nowMs += 2 * DAY * 1000;
  const [mallory, alice] = [enrolled(), certified()];
  const early = { at: BigInt(Math.floor(clock.nowMs / 1000)) - 1n };
  assert.equal(tell(statement([deposit(mallory)])), 0, 'to no certified address');
  assert.equal(tell(statement([deposit(alice, { index: 1 })])), 0, 'to another address');
  assert.equal(tell(statement([deposit(alice, early)])), 0, 'before it was certified');
  const paid = deposit(alice, { amount: 5n * ETHER });
  assert.equal(tell(statement([paid, deposit(mallory)])), 1);
  assert.equal(codeOf(first, pay(mallory, 2n * ETHER)), 'TIER_CUSTOMER');
  clock.nowMs += FUNDED_SECONDS * 1000;
  assert.equal(tell(statement([paid])), 1, 'known');
  assert.equal(codeOf(first, pay(alice, 2n * ETHER)), 'TIER_CUSTOMER', 'it has expired');
});

test('only a sentinel tells of deposits', () => {
  const alice = certified();
  const [operator] = quorum.operators;
  assert.ok(operator);
  const body = statement([deposit(alice)]) as { document: object; signatures: unknown };
  assert.equal(tell(statement([deposit(alice)], operator)), 'NOT_IN_ROSTER');
  assert.equal(
    tell({ ...body, signatures: (statement([deposit(alice)]) as typeof body).signatures }),
    'SIGNATURE_REFUSED',
  );
  assert.equal(tell({ ...body, document: { ...body.document, epoch: 2 } }), 'WRONG_EPOCH');
  assert.equal(tell({ ...body, document: { ...body.document, deposits: [] } }), 'MALFORMED');
});

test('all of it outlives a restart', () => {
  clock.nowMs += 2 * DAY * 1000;
  const alice = certified();
  const index = 40;
  assert.equal(certify(first, REGTEST, [onBitcoin(alice.id, index, setOf(alice))]), 'certified');
  const paid = statement([deposit(alice, { amount: 4n * ETHER })]);
  assert.equal(tell(paid), 1);
  assert.equal(codeOf(first, pay(alice, 2n * ETHER)), 'signed');
  const again = quorum.reopen(0);
  try {
    assert.ok(call(again, 'unseal', { passphrase: PASSPHRASE }).ok);
    const head = headOf(again);
    assert.equal(tell(paid, [again]), 1);
    assert.equal(headOf(again), head);
    const mallory = randomBytes(16).toString('hex');
    assert.equal(certify(again, REGTEST, [onBitcoin(mallory, index, NOBODY)]), 'ADDRESS_BOUND');
    assert.equal(codeOf(again, pay(alice, 3n * ETHER)), 'TIER_CUSTOMER');
    assert.equal(codeOf(again, pay(alice, 2n * ETHER)), 'signed');
  } finally {
    again.close();
  }
});
