// Proves that requests and answers are read strictly: every field, every bound, nothing beside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  BITCOIN_INPUTS_MAX,
  BITCOIN_ORDERS_MAX,
  EVM_ORDERS_MAX,
  parseIdentityAnswer,
  parseSignAnswer,
  parseSignRequest,
  parseStatusAnswer,
} from './messages.ts';
import { parseMakeKey, parseUnseal } from './key-requests.ts';
import { vectors } from '../test/plain-encoding.ts';
import type { OrderJson } from './order.ts';

const order: OrderJson = {
  kind: 'customer',
  orderNumber: '1',
  customer: '01930f3a7c5e7b7e8c3d5a9b1f2e4d6c',
  credentialSetHash: '00'.repeat(32),
  epoch: 1,
  asset: 'eip155:1/slip44:60',
  destination: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  amount: '1',
  maxFee: '0',
  expiry: '1767225600',
};
const bitcoinPay = {
  type: 'bitcoin-pay',
  network: 'bip122:000000000019d6689c085ae165831e93',
  epoch: 1,
  orders: [order],
  psbt: 'cHNidP8=',
  inputs: [{ branch: 0, index: 5 }],
  outputs: [{ order: '1' }, { change: 7 }],
};
const child = vectors('bitcoin-child') as {
  request: Record<string, unknown>;
  invalidRequests: { name: string; request: unknown }[];
};
const evmPay = {
  type: 'evm-pay',
  network: 'eip155:1',
  epoch: 1,
  vault: order.destination,
  token: `0x${'0'.repeat(40)}`,
  deadline: '1767225600',
  generation: '0',
  orders: [order],
};
const head = { sequence: '3', hash: 'ab'.repeat(32) };

test('whole requests are read into their parts', () => {
  const bitcoin = parseSignRequest(bitcoinPay);
  assert.ok(bitcoin.ok && bitcoin.value.type === 'bitcoin-pay');
  assert.deepEqual(bitcoin.value.outputs, [{ order: 1n }, { change: 7 }]);
  const evm = parseSignRequest(evmPay);
  assert.ok(evm.ok && evm.value.type === 'evm-pay');
  assert.equal(evm.value.deadline, 1_767_225_600n);
});

for (const [name, whole] of Object.entries({ bitcoinPay, evmPay })) {
  test(`${name}: without any one field, or with one more anywhere, it is refused`, () => {
    for (const key of Object.keys(whole)) {
      const { [key as keyof typeof whole]: _, ...rest } = whole;
      assert.ok(!parseSignRequest(rest).ok, `without ${key}`);
    }
    assert.ok(!parseSignRequest({ ...whole, extra: 1 }).ok);
    assert.ok(!parseSignRequest(JSON.parse(JSON.stringify(whole).replace('{', '{"__proto__":{},'))).ok);
    assert.ok(!parseSignRequest({ ...whole, orders: [{ ...order, extra: 1 }] }).ok);
  });

  test(`${name}: any field of any other type is refused`, () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole)), fc.jsonValue(), (key, value) => {
        const before = whole[key as keyof typeof whole] as unknown;
        if (typeof value === typeof before && Array.isArray(value) === Array.isArray(before)) return;
        assert.ok(!parseSignRequest({ ...whole, [key]: value }).ok);
      }),
      { numRuns: 500 },
    );
  });
}

test('a child: one input of change, one output of change, and no vector beside', () => {
  assert.deepEqual(parseSignRequest(child.request), { ok: true, value: child.request });
  for (const { name, request } of child.invalidRequests) assert.ok(!parseSignRequest(request).ok, name);
});

test('lists are bounded', () => {
  const many = (count: number) => Array.from({ length: count }, () => order);
  assert.ok(parseSignRequest({ ...evmPay, orders: many(EVM_ORDERS_MAX) }).ok);
  assert.ok(!parseSignRequest({ ...evmPay, orders: many(EVM_ORDERS_MAX + 1) }).ok);
  assert.ok(!parseSignRequest({ ...bitcoinPay, orders: many(BITCOIN_ORDERS_MAX + 1) }).ok);
  const inputs = Array.from({ length: BITCOIN_INPUTS_MAX + 1 }, () => ({ branch: 0, index: 1 }));
  assert.ok(!parseSignRequest({ ...bitcoinPay, inputs }).ok);
  assert.ok(!parseSignRequest({ ...bitcoinPay, inputs: [{ branch: 2, index: 1 }] }).ok);
  assert.ok(!parseSignRequest({ ...bitcoinPay, inputs: [{ branch: 0, index: 2 ** 31 }] }).ok);
  assert.ok(!parseSignRequest({ ...bitcoinPay, inputs: [{ branch: 0, index: -1 }] }).ok);
});

test('answers: signed, refused, identity, status; and none that says too much or too little', () => {
  const good = {
    ok: true,
    signer: 'signer-a',
    signature: `0x${'ab'.repeat(65)}`,
    address: order.destination,
    journal: head,
  };
  assert.deepEqual(parseSignAnswer(good), { ok: true, value: good });
  const refusal = { ok: false, signer: 'signer-a', code: 'SEALED', detail: 'unseal first' };
  for (const parse of [parseSignAnswer, parseIdentityAnswer, parseStatusAnswer]) {
    assert.deepEqual(parse(refusal), { ok: true, value: refusal });
    for (const bad of [
      { ...refusal, code: 'NO_SUCH_CODE' },
      { ...refusal, psbt: 'AAAA' },
      { ok: 'yes' },
      null,
      5,
      [],
    ]) {
      assert.ok(!parse(bad).ok);
    }
  }
  assert.ok(!parseSignAnswer({ ...good, ok: 1 }).ok);
  assert.ok(!parseSignAnswer({ ...good, signature: '0x00' }).ok);
  assert.ok(!parseSignAnswer({ ...good, journal: { ...head, hash: head.hash.toUpperCase() } }).ok);
  const freeze = { id: 'ab'.repeat(16), scope: 'everything', by: 'alice', reason: 'a theft' };
  const status = {
    ok: true,
    signer: 'signer-a',
    sealed: false,
    journal: head,
    ready: true,
    confirmed: false,
    freezes: [freeze],
  };
  assert.ok(!parseStatusAnswer({ ...status, freezes: [{ ...freeze, scope: 'all' }] }).ok);
  assert.deepEqual(parseStatusAnswer(status), { ok: true, value: { ...status, witness: [] } });
  const witnessed = { ...status, witness: ['eip155:1'] };
  assert.deepEqual(parseStatusAnswer(witnessed), { ok: true, value: witnessed });
  assert.ok(!parseStatusAnswer({ ...status, witness: ['ethereum'] }).ok);
  assert.ok(!parseStatusAnswer({ ...status, ready: 'yes' }).ok);
});

test('passphrases and key requests', () => {
  for (const request of [{ passphrase: 'twelve chars' }, { passphrase: 'twelve chars', pin: '1234' }])
    assert.deepEqual(parseUnseal(request), { ok: true, value: request });
  for (const pin of ['123', 'x'.repeat(256), 'new\nline', 1234])
    assert.ok(!parseUnseal({ passphrase: 'twelve chars', pin }).ok);
  for (const passphrase of ['eleven char', 'with\na newline', 'x'.repeat(1025), 12, null]) {
    assert.ok(!parseUnseal({ passphrase }).ok);
  }
  const request = { passphrase: 'twelve chars', epoch: 1, chain: 'main' };
  assert.deepEqual(parseMakeKey(request), { ok: true, value: request });
  assert.ok(!parseMakeKey({ ...request, epoch: 2 ** 31 }).ok);
  assert.ok(!parseMakeKey({ ...request, chain: 'regtest' }).ok);
});
