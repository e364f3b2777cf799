// Proves the memory rules by themselves: one number is one order in one place, and attempts exclude one another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { Order } from '../protocol/order.ts';
import { accept } from './decision.ts';
import { emptyMemory, remember, type Memory } from './memory.ts';
import { payEntry, type SignedOrder } from './pay-entries.ts';
import { checkOrders, checkReplacement, signedBefore } from './orders.ts';

const order: Order = {
  kind: 'customer',
  orderNumber: 5n,
  customer: new Uint8Array(16).fill(1),
  credentialSetHash: new Uint8Array(32),
  epoch: 1,
  asset: 'eip155:1/slip44:60',
  destination: '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  amount: 5n,
  maxFee: 0n,
  expiry: 2_000_000_000n,
};
const rules = {
  place: 'eip155:1 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed',
  epoch: 1,
  asset: order.asset,
  nowMs: 1000,
  amountMax: 10n,
  holdSeconds: 0,
  authorise: () => accept('unproven' as const),
  fundsOf: () => 0n,
};
const ASSET = 'eip155:1/slip44:60';
const id = (n: number): string => n.toString(16).padStart(64, '0');
const put = (
  memory: Memory,
  place: string,
  attempt: number,
  inputs: readonly string[],
  orders: readonly SignedOrder[],
): void =>
  remember(
    memory,
    'evm-pay',
    JSON.parse(
      JSON.stringify(
        payEntry({
          place,
          id: id(attempt),
          inputs,
          orders,
          asset: 'eip155:1/slip44:60',
          fee: 0n,
          details: {},
        }),
      ),
    ),
    { sequence: 1n, atMs: 0 },
  );

test('an order that was signed for one vault is not signed for another', () => {
  const memory = emptyMemory();
  const checked = checkOrders([order], rules, memory);
  assert.ok(checked.ok);
  put(memory, rules.place, 1, [], checked.value);
  assert.ok(checkOrders([order], rules, memory).ok);
  const moved = checkOrders(
    [order],
    { ...rules, place: 'eip155:1 0x52908400098527886E0F7030069857D2E4169EE7' },
    memory,
  );
  assert.equal(moved.ok ? 'ok' : moved.code, 'ORDER_ELSEWHERE');
  const changed = checkOrders([{ ...order, maxFee: 1n }], rules, memory);
  assert.equal(changed.ok ? 'ok' : changed.code, 'ORDER_CHANGED');
});

test('expiry: at the second itself it is over; one millisecond before it is not', () => {
  const at = (nowMs: number) => checkOrders([order], { ...rules, nowMs }, emptyMemory()).ok;
  assert.ok(at(1_999_999_999_999));
  assert.ok(!at(2_000_000_000_000));
});

test('any history: of all transactions that were let through for an order, no two could both confirm', () => {
  const coins = ['a', 'b', 'c', 'd'].map((letter) => `${letter.repeat(64)}:0`);
  const attempts = fc.array(
    fc.record({
      inputs: fc.subarray(coins, { minLength: 1 }),
      orders: fc.subarray([1n, 2n, 3n], { minLength: 1 }),
    }),
    { minLength: 2, maxLength: 25 },
  );
  fc.assert(
    fc.property(attempts, (list) => {
      const memory = emptyMemory();
      const through: { inputs: readonly string[]; orders: readonly bigint[] }[] = [];
      for (const [i, { inputs, orders }] of list.entries()) {
        const signed = orders.map((number) => ({
          number,
          digest: id(Number(number)),
          amount: 1n,
          asset: ASSET,
          customer: '11'.repeat(16),
          tier: 'unproven' as const,
        }));
        if (checkReplacement(memory, { id: id(i), inputs, orders: signed }) !== undefined) continue;
        put(memory, 'bip122:0', i, inputs, signed);
        through.push({ inputs, orders });
      }
      assert.ok(through.length > 0);
      for (const [i, one] of through.entries()) {
        for (const other of through.slice(i + 1)) {
          if (!one.orders.some((number) => other.orders.includes(number))) continue;
          assert.ok(
            one.inputs.some((input) => other.inputs.includes(input)),
            'two payments of one order without a shared coin',
          );
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('the same transaction counts as signed before only for the same orders', () => {
  const memory = emptyMemory();
  const orders = [
    {
      number: 1n,
      digest: id(1),
      asset: ASSET,
      amount: 1n,
      customer: '11'.repeat(16),
      tier: 'unproven' as const,
    },
  ];
  put(memory, 'bip122:0', 7, [], orders);
  assert.deepEqual(signedBefore(memory, { place: 'bip122:0', id: id(7), orders }), { ok: true, value: true });
  assert.deepEqual(signedBefore(memory, { place: 'bip122:1', id: id(7), orders }), {
    ok: true,
    value: false,
  });
  const twin = signedBefore(memory, {
    place: 'bip122:0',
    id: id(7),
    orders: [
      {
        number: 2n,
        digest: id(2),
        asset: ASSET,
        amount: 1n,
        customer: '11'.repeat(16),
        tier: 'unproven' as const,
      },
    ],
  });
  assert.equal(twin.ok ? 'ok' : twin.code, 'ORDER_CHANGED');
});
