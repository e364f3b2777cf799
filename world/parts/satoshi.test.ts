// Proves: amounts cross the border to bitcoind exactly, whatever their size, and nothing else becomes money.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { coins, parseBitcoinJson, satoshi } from './satoshi.ts';

test('every amount survives the way there and back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 80n }), (amount) => {
      assert.equal(satoshi(coins(amount)), amount);
      assert.deepEqual(parseBitcoinJson(`{"amount":${coins(amount)},"fee":-${coins(amount)}}`), {
        amount,
        fee: -amount,
      });
    }),
  );
});

test('a float would have lost this one', () => {
  assert.notEqual(BigInt(Math.round(Number('90071992.54740993') * 1e8)), 9007199254740993n);
  assert.deepEqual(parseBitcoinJson('[90071992.54740993]'), [9007199254740993n]);
});

test('what is no amount stays a number', () => {
  const text =
    '{"height":7,"difficulty":4.65654237,"mediantime":1700000000,"verificationprogress":0.12345678}';
  assert.deepEqual(parseBitcoinJson(text), JSON.parse(text));
  for (const bad of ['1', '1.0', '0.000000001', '1e-8', '.00000001', '1.00000000 ', '']) {
    assert.throws(() => satoshi(bad), RangeError);
  }
  assert.throws(() => coins(-1n), RangeError);
});
