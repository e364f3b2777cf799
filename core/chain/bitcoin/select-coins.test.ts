// Proves that every selection adds up to the satoshi, pays the rate asked for, and makes no dust, on random wallets.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { selectCoins, type Coin, type Selection } from './select-coins.ts';
import { dustLimitOf, feeFor, sumOf } from './transaction.ts';

const CHANGE = Uint8Array.from([0, 32, ...new Uint8Array(32)]);
const FORM = { threshold: 2, witnessScriptBytes: 105 };

const coinsOf = (amounts: readonly bigint[]): Coin[] =>
  amounts.map((units, i) => ({
    txId: i.toString(16).padStart(64, '0'),
    vout: 0,
    units,
    branch: 0,
    index: i,
    blockHash: null,
  }));

const payment = (amounts: readonly bigint[], outputs: readonly bigint[], rate: number): Selection => ({
  form: FORM,
  coins: coinsOf(amounts),
  outputs: outputs.map((units) => ({ script: CHANGE, units })),
  changeScript: CHANGE,
  feeRateSatPerVb: rate,
  feeMaxSat: 10n ** 12n,
});

const selections = fc.record({
  amounts: fc.array(fc.bigInt({ min: 1n, max: 5_000_000n }), { maxLength: 60 }),
  outputs: fc.array(fc.bigInt({ min: 330n, max: 3_000_000n }), { minLength: 1, maxLength: 8 }),
  rate: fc.integer({ min: 100, max: 200_000 }).map((milli) => milli / 1000),
  consolidateMax: fc.integer({ min: 0, max: 3 }),
  /** One coin that is worth outputs and fee and this much more: what chance alone hardly ever makes. */
  near: fc.option(fc.nat(20_000)),
});

function withNear({
  amounts,
  outputs,
  rate,
  near,
}: {
  amounts: bigint[];
  outputs: bigint[];
  rate: number;
  near: number | null;
}) {
  if (near === null) return payment(amounts, outputs, rate);
  const vbytes = Math.ceil((4 * (10 + 41 + 43 * outputs.length) + 2 + 254) / 4);
  const coin = sumOf(outputs.map((units) => ({ units }))) + feeFor(vbytes, rate) + BigInt(near);
  return payment([coin, ...amounts.slice(0, near % 3)], outputs, rate);
}

test('inputs = outputs + fee + change; the rate is met, and exceeded by 1 sat/vB at most unless no coin is left', () => {
  const seen = { refused: 0, change: 0, exact: 0, rest: 0 };
  fc.assert(
    fc.property(selections, ({ consolidateMax, ...made }) => {
      const selection = { ...withNear(made), consolidateMax };
      const { outputs, feeRateSatPerVb: rate } = selection;
      const result = selectCoins(selection);
      const { coins } = selection;
      if (!result.ok) {
        assert.equal(result.reason, 'COINS_INSUFFICIENT');
        seen.refused += 1;
        // No set of largest coins would have paid for itself.
        const largest = coins.toSorted((a, b) => Number(b.units - a.units));
        for (let n = 1; n <= largest.length; n += 1) {
          const vbytes = Math.ceil((4 * (10 + 41 * n + 43 * outputs.length) + 2 + n * 254) / 4);
          assert.ok(sumOf(largest.slice(0, n)) < sumOf(selection.outputs) + feeFor(vbytes, rate));
        }
        return;
      }
      assert.equal(sumOf(result.coins), sumOf(selection.outputs) + result.feeSat + result.changeSat);
      assert.equal(new Set(result.coins.map((coin) => coin.txId)).size, result.coins.length);
      assert.ok(result.changeSat === 0n || result.changeSat >= dustLimitOf(CHANGE), 'no dust');
      const wanted = feeFor(result.vbytes, rate);
      assert.ok(result.feeSat >= wanted, 'the rate is met');
      if (result.changeSat > 0n) {
        seen.change += 1;
        assert.equal(result.feeSat, wanted);
      } else {
        const over = result.feeSat - wanted;
        const change = dustLimitOf(CHANGE) + feeFor(44, rate);
        assert.ok(over <= BigInt(result.vbytes) || over < change, `${over} sat over`);
        if (over <= BigInt(result.vbytes)) seen.exact += 1;
        else seen.rest += 1;
      }
    }),
    { numRuns: 3000, seed: 7 },
  );
  assert.ok(
    Object.values(seen).every((count) => count > 5),
    JSON.stringify(seen),
  );
});

test('a set without change is found where there is one', () => {
  // One output of 100,000 from two inputs at 10 sat/vB needs 2,640 sat more.
  const need = 100_000n + feeFor(Math.ceil((4 * (10 + 82 + 43) + 2 + 2 * 254) / 4), 10);
  const result = selectCoins(payment([500_000n, 60_000n, need - 60_000n + 20n, 30_000n], [100_000n], 10));
  assert.ok(result.ok);
  assert.equal(result.changeSat, 0n);
  assert.deepEqual(new Set(result.coins.map((coin) => coin.units)), new Set([60_000n, need - 60_000n + 20n]));
});

test('the smallest coin that does it alone leaves the large ones whole', () => {
  const result = selectCoins(payment([9_000_000n, 400_000n, 300_000n, 1_000n], [250_000n], 5));
  assert.ok(result.ok);
  assert.deepEqual(
    result.coins.map((coin) => coin.units),
    [300_000n],
  );
});

test('refusals: dust, too many inputs, fee cap, too little', () => {
  const reasonOf = (selection: Selection) => {
    const result = selectCoins(selection);
    return result.ok ? 'ok' : result.reason;
  };
  assert.equal(reasonOf(payment([10_000n], [329n], 1)), 'OUTPUT_DUST');
  assert.equal(reasonOf(payment([10_000n], [10_000n], 1)), 'COINS_INSUFFICIENT');
  assert.equal(reasonOf(payment([], [10_000n], 1)), 'COINS_INSUFFICIENT');
  const small = Array.from({ length: 300 }, (_, i) => 10_000n + BigInt(i));
  assert.equal(reasonOf(payment(small, [2_500_000n], 1)), 'TOO_MANY_INPUTS');
  assert.equal(reasonOf({ ...payment([5_000_000n], [1_000_000n], 50), feeMaxSat: 5_000n }), 'FEE_ABOVE_CAP');
});

test('thousands of coins, and thousands alike, take milliseconds', () => {
  const many = Array.from({ length: 5_000 }, (_, i) => 20_000n + BigInt((i * 7919) % 900_001));
  for (const amounts of [many, many.map(() => 50_000n)]) {
    const started = performance.now();
    assert.ok(selectCoins(payment(amounts, [3_000_000n, 1_234_567n], 12)).ok);
    assert.ok(performance.now() - started < 1000);
  }
});
